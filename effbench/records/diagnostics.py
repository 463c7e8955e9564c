"""What cells recorded of training from inside, as tidy tables: `results.join`'s columns,
then those of docs/records.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from effbench.analysis import identity
from effbench.records import record, results, tables
from effbench.records.layout import TABLES
from effbench.records.record import Record
from effbench.records.results import Results

LEARNER_FIGURES = ("inv_tau", "drawn", "distinct", "skewness")  # what learners may report of a step
_STEP = ("fraction", "iteration", "train_s", "loss", "rays", "samples")
_CELL = [*identity.CELL, "budget", "device"]


def steps(found: Results) -> pd.DataFrame:
    """Return a row per training step. train_s is interpolated between the points of the curve."""
    frame = results.join(found, f"{TABLES}/steps.csv")
    points = dict(tuple(results.curves(found).groupby(_CELL)))
    timed = [
        own.assign(train_s=_interpolated(own["iteration"], points.get(about)))
        for about, own in frame.groupby(_CELL, sort=False)
    ]
    return pd.concat(timed, ignore_index=True) if timed else frame.reindex(columns=[*_CELL, *_STEP])


def learner_figures(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the figures of the learners as rows: columns of `steps`, then `figure`, `value`."""
    names = [name for name in LEARNER_FIGURES if name in steps]
    long = steps.melt([*_CELL, *_STEP], names, "figure", "value").dropna(subset=["value"])
    ordered = pd.Categorical(long["figure"], LEARNER_FIGURES)
    return long.assign(figure=ordered).reset_index(drop=True)


def mid_training(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, per cell, the rows of the point nearest to half of the budget."""
    if frame.empty:
        return frame
    distance = (frame["fraction"] - 0.5).abs()
    return frame[distance == distance.groupby([frame[c] for c in _CELL]).transform("min")]


def phases(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per finished cell and phase: _CELL's columns, phase, and memory in MB."""
    rows: list[dict[str, Any]] = []
    for cell in tables.latest(records):
        if cell.status == "ok":
            known = {name: getattr(cell, name) for name in _CELL}
            about = {**known, "scene": record.scene_label(cell)}
            found = cell.memory.get("phases", {})
            rows += [{**about, "phase": phase, "mb": mb} for phase, mb in found.items()]
    return pd.DataFrame(rows, columns=[*_CELL, "phase", "mb"])


def _interpolated(iterations: pd.Series[Any], points: pd.DataFrame | None) -> Any:
    if points is None:
        return np.nan
    known = points.sort_values("iteration")
    return np.interp(iterations, [0, *known["iteration"]], [0.0, *known["train_s"]])
