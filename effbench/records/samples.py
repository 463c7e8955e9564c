"""How many samples a ray has in training, and which share of uniform marching that leaves out.

Uniform marching would take a sample every step from where a ray enters the scene's box to where it
leaves it: `box_steps_per_ray`, the mean over the pixels of training views, a ray beside the box
counted with 0. Samples that are trained on are those that the occupancy grid, early termination
and compaction leave. The share of the former that is skipped is 1 − samples per ray ÷ box steps.
"""

from __future__ import annotations

import pandas as pd

from effbench.analysis import identity
from effbench.records import record, results
from effbench.records.layout import TABLES
from effbench.records.record import Record
from effbench.records.results import Results

COLUMNS = ("cell", "samples_per_ray", "skipped")
_KEY = [*identity.CELL, "budget", "device"]


def per_cell(found: Results) -> pd.DataFrame:
    """Return COLUMNS per finished cell: its folder, samples per ray over the second half of its
    steps (of the last step where steps were not kept, NaN where none were counted) and the skipped
    share in [0, 1] (NaN where nothing marches through a box)."""
    steps = results.join(found, f"{TABLES}/steps.csv", ["iteration", "rays", "samples"])
    late = {key: _late(own) for key, own in steps.groupby(_KEY, sort=False)}
    rows = []
    for folder, cell in found.cells.items():
        if cell.status != "ok":
            continue
        mean = late.get(_key(cell), float("nan"))
        mean = _of_last_step(cell) if pd.isna(mean) else mean
        whole = float(cell.facts.get("box_steps_per_ray") or "nan")
        rows.append((str(folder), mean, 1 - mean / whole))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _late(steps: pd.DataFrame) -> float:
    """Return the samples per ray over the second half of a cell's steps."""
    late = steps[steps["iteration"] > steps["iteration"].max() / 2]
    rays = float(late["rays"].sum())
    return float(late["samples"].sum()) / rays if rays else float("nan")


def _of_last_step(cell: Record) -> float:
    rays, samples = (cell.facts.get(f"{name}_last_step") for name in ("rays", "samples"))
    return float(samples) / float(rays) if rays and samples is not None else float("nan")


def _key(cell: Record) -> tuple[object, ...]:
    known = {name: getattr(cell, name) for name in _KEY}
    return tuple({**known, "scene": record.scene_label(cell)}[name] for name in _KEY)
