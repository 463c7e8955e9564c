"""The figures of a report, as the page's script takes them: plain JSON values.

rows are those of `tables.leaderboard`, in its order; `group` numbers what rows have in common
(suite, scene, budget, device), `entry` numbers a method with its variant.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.colors import to_hex

from effbench.analysis.figures import FIGURES, axis_label, figure
from effbench.analysis.identity import GROUP, spaced
from effbench.errors import ConfigError
from effbench.method.budget import Budget
from effbench.records import tables
from effbench.records.results import Results
from effbench.report.palette import Colour, Palette, title

_SYMBOLS = {  # matplotlib's markers as Plotly calls them
    **{"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down"},
    **{"P": "cross", "X": "x", "<": "triangle-left", ">": "triangle-right", "p": "pentagon"},
    **{"h": "hexagon", "d": "diamond-tall", "*": "star"},
}
_ON_DARK = 0.16  # least relative luminance of a line on the dark page: a contrast of 3.5
_MOST_ENTRIES = 16  # drawn in charts until someone asks for more
_PROVENANCE_OF_CELL = ("started", "command")


def payload(found: Results, board: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Any]:
    """Return everything but the images: groups, entries, columns, rows, curves, cells and
    environments. board: `tables.leaderboard`; curves: `results.curves`."""
    groups = _groups(board)
    numbered = _entries(board)
    cells, environments = _cells(found, board)
    return {
        "groups": [{"label": label, "unit": _unit(key[2])} for key, label in groups.items()],
        "entries": _looks(found, board, numbered),
        "columns": {name: _column(name) for name in shown_columns(board)},
        "rows": _rows(board, list(groups), numbered),
        "curves": _curves(curves, list(groups), numbered),
        "cells": cells,
        "environments": environments,
    }


def shown_columns(board: pd.DataFrame) -> list[str]:
    """Return the figures that at least one row has."""
    return [name for name in FIGURES if name in board and board[name].notna().any()]


def finite(value: Any) -> Any:
    """Return a figure as JSON holds it: None for what does not exist."""
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def _groups(board: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """Return the label of each group of rows, in the leaderboard's order."""
    grouped = board.groupby([*GROUP], sort=False)
    return {tuple(map(str, key)): title(rows, board) for key, rows in grouped}


def _entries(board: pd.DataFrame) -> list[tuple[str, str]]:
    """Return methods with their variants, the ones with the best PSNR anywhere first."""
    best = board.groupby(["method", "variant"])["psnr"].max().reset_index()
    best = best.sort_values(["psnr", "method", "variant"], ascending=[False, True, True])
    return list(zip(best["method"], best["variant"], strict=True))


def _looks(
    found: Results, board: pd.DataFrame, entries: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    palette = Palette((r.method, r.variant) for r in found.records)
    measured = board.dropna(subset=["psnr"])
    have = set(zip(measured["method"], measured["variant"], strict=True))
    return [
        {
            "label": spaced(method, variant),
            "colour": to_hex(palette.colour[method, variant]),
            "dark": to_hex(on_dark(palette.colour[method, variant])),
            "symbol": _SYMBOLS[palette.marker[method, variant]],
            "measured": (method, variant) in have,
            "shown": place < _MOST_ENTRIES,
        }
        for place, (method, variant) in enumerate(entries)
    ]


def on_dark(colour: Colour) -> Colour:
    """Return a colour, mixed with as little white as makes it stand out on the dark page."""
    for step in range(20):
        part = step / 20
        red, green, blue = (c + part * (1 - c) for c in colour)
        if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 >= _ON_DARK:
            break
    return red, green, blue


def _column(name: str) -> dict[str, str]:
    about = figure(name)
    return {"label": axis_label(name), "better": about.better}


def _rows(
    board: pd.DataFrame, groups: Sequence[tuple[str, ...]], entries: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    figures = [*shown_columns(board), "psnr_std", "n"]
    return [
        {
            "group": groups.index(tuple(str(row[name]) for name in GROUP)),
            "entry": entries.index((row["method"], row["variant"])),
            **{name: finite(row[name]) for name in figures},
            "status": row["status"],
            "role": row["role"],
            "backend": row["backend"],
        }
        for row in board.to_dict("records")
    ]


def _curves(
    curves: pd.DataFrame, groups: Sequence[tuple[str, ...]], entries: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return a curve per group and entry: means over seeds at equal fractions of the budget, and
    the sample standard deviation of the PSNR (None for one seed)."""
    drawn = []
    for key, own in curves.dropna(subset=["psnr"]).groupby([*GROUP, "method", "variant"]):
        *group, method, variant = map(str, key)
        if tuple(group) not in groups:
            continue
        points = own.groupby("fraction")[["train_s", "total_s", "iteration", "psnr"]].mean()
        points["std"] = own.groupby("fraction")["psnr"].std()
        digits = {str(name): [_short(v) for v in points[name]] for name in points}
        about = {"group": groups.index(tuple(group)), "entry": entries.index((method, variant))}
        drawn.append({**about, "n": int(own["repetition"].nunique()), **digits})
    return drawn


def _cells(
    found: Results, board: pd.DataFrame
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the cells, each with the numbers of its row and environment; and the environments:
    what provenances say apart from start and command, each once."""
    about = [*GROUP, "method", "variant"]
    place = {key: i for i, key in enumerate(board[about].itertuples(index=False, name=None))}
    frame = tables.cells(found.records) if found.records else pd.DataFrame(columns=about)
    environments: dict[str, int] = {}
    cells = []
    for cell, key in zip(
        found.records, frame[about].itertuples(index=False, name=None), strict=True
    ):
        common = {k: v for k, v in cell.provenance.items() if k not in _PROVENANCE_OF_CELL}
        text = json.dumps(common, sort_keys=True)
        cells.append(
            {
                "row": place.get(key),
                "id": cell.cell_id,
                "status": cell.status,
                "reason": cell.reason,
                "seed": cell.seed,
                "repetition": cell.repetition,
                "psnr": finite(cell.quality.get("psnr")),
                "started": cell.provenance.get("started"),
                "total_s": finite(cell.time.get("total_s")),
                "environment": environments.setdefault(text, len(environments)),
                "params": cell.params,
                "missing": cell.quality.get("missing", {}),
                "notes": cell.scene.get("notes", []),
            }
        )
    return cells, [json.loads(text) for text in environments]


def _unit(budget: str) -> str:
    """Return "s", or "it" for budgets that are iterations."""
    try:
        return "s" if Budget.parse(budget).seconds is not None else "it"
    except ConfigError:  # a record of a plug-in's own making
        return "s"


def _short(value: float) -> float | None:
    """Return a figure with six digits, as many as a chart can show."""
    return None if pd.isna(value) else float(f"{value:.6g}")
