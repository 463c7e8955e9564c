"""What makes a row, what its rivals must share with it, and by what rows stand together.

The only list of these: tables, pairs, pictures, pages, verdicts and the regression check take
theirs from here. Names are columns of `records.tables.cells` and attributes of a record.
"""

from __future__ import annotations

ENTRY = ("method", "variant")  # what people call a row
GROUP = ("suite", "scene", "budget", "device")  # by which rows stand together in what people read
# What rows must share to be compared at all: a group, of the same files of the scene, looked at
# from as many views, on as many threads.
CONDITIONS = ("suite", "scene", "manifest", "eval_views", "budget", "device", "threads")

# A row is one experiment: cells that differ in these are never averaged. `settings` are all
# parameters, as JSON.
ASKED = ("suite", "method", "variant", "scene", "budget", "settings")
# What is found only by running; cells that failed early may not know it. `code` stands for the
# source of effbench and of the plug-ins.
FOUND = ("device", "manifest", "code", "eval_views", "backend", "precision", "threads")
ROW = (*ASKED, *FOUND)

RUN = (*ASKED, "device", "seed")  # a cell; one that was run again is the same
CELL = ("suite", *ENTRY, "scene", "repetition", "seed")  # a cell in tables of points or steps

# What the regression check calls a row: a method may change its parameters and stay one.
CHECKED = (*GROUP, *ENTRY)


def label(method: object, variant: object) -> str:
    """Return a row's name: "method", or "method variant"."""
    return f"{method} {variant}".strip()


def spaced(method: object, variant: object) -> str:
    """Return a row's name for people, with room for a line break between its settings."""
    return label(method, str(variant).replace(",", ", "))
