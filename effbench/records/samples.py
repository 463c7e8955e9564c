"""How many samples a ray has at the end of training, and which share of an even march that skips.

Methods record both of random training pixels, of the samples that are trained on: those that the
occupancy grid, early termination and compaction leave. The share is of the samples that the same
march would place if nothing were known of where the field is empty: a step everywhere in the box.
"""

from __future__ import annotations

import pandas as pd

from effbench.records.record import Record
from effbench.records.results import Results

COLUMNS = ("cell", "samples_per_ray", "skipped")


def per_cell(found: Results) -> pd.DataFrame:
    """Return COLUMNS per finished cell: its folder, samples per ray (NaN where none were counted)
    and the skipped share in [0, 1] (NaN where nothing is left out for being empty)."""
    rows = [
        (str(folder), _per_ray(cell), _number(cell, "samples_skipped"))
        for folder, cell in found.cells.items()
        if cell.status == "ok"
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[1:], float))


def _per_ray(cell: Record) -> float:
    """Return the samples per ray, of the last step in records that do not say more."""
    if cell.facts.get("samples_per_ray") is not None:
        return _number(cell, "samples_per_ray")
    rays = _number(cell, "rays_last_step")
    return _number(cell, "samples_last_step") / rays if rays else float("nan")


def _number(cell: Record, name: str) -> float:
    value = cell.facts.get(name)
    return float("nan") if value is None else float(value)
