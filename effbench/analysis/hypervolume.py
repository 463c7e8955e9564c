"""Hypervolume of fronts: how much of the plane of cost and quality a set of rows dominates.

Costs count by their logarithm, so that halving one counts the same everywhere; the unit is then
dB × factors of two. The volume is measured from a reference point: the largest cost and the lowest
quality of all rows that are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from effbench.analysis.statistics import CONFIDENCE

Array = npt.NDArray[np.float64]
DRAWS = 1000


@dataclass(frozen=True)
class Volume:
    """Hypervolume of n rows, dB × log₂ of cost, with its 95 % interval over seeds (NaN where rows
    have one seed); cost, quality: the reference point; seeds: the fewest that a row has."""

    rows: int
    seeds: int
    cost: float
    quality: float
    volume: float
    low: float
    high: float


def hypervolume(cost: npt.ArrayLike, quality: npt.ArrayLike, at: tuple[float, float]) -> float:
    """Return the area that points dominate: cost at most, quality at least. at: the reference
    point (cost, quality); points beyond it add nothing."""
    x, y = (np.asarray(v, float) for v in (cost, quality))
    inside = (x < at[0]) & (y > at[1])
    order = np.lexsort((-y[inside], x[inside]))
    x, y = x[inside][order], y[inside][order]
    if not len(x):
        return 0.0
    best = np.maximum.accumulate(y)
    widths = np.diff(np.append(x, at[0]))
    return float((widths * (best - at[1])).sum())


def of_rows(cells: pd.DataFrame, cost: str, quality: str = "psnr") -> Volume | None:
    """Return the hypervolume of one table's rows; None where fewer than two have both figures.

    cells: columns row, cost and quality, a row per finished cell. The interval is a bootstrap's:
    seeds are drawn anew within each row, cost and quality of a seed together, and the front is
    made of the means; the reference point stays. Percentiles of DRAWS draws.
    """
    known = cells.dropna(subset=[cost, quality])
    known = known[known[cost] > 0]
    rows = [
        (np.log2(own[cost].to_numpy(float)), own[quality].to_numpy(float))
        for _, own in known.groupby("row")
    ]
    if len(rows) < 2:
        return None
    x, y = (np.array([row[i].mean() for row in rows]) for i in (0, 1))
    at = (float(x.max()), float(y.min()))
    seeds = min(len(row[0]) for row in rows)
    low = high = math.nan
    if seeds >= 2:
        low, high = _interval(rows, at)
    return Volume(len(rows), seeds, 2 ** at[0], at[1], hypervolume(x, y, at), low, high)


def _interval(rows: Sequence[tuple[Array, Array]], at: tuple[float, float]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    drawn: tuple[list[Array], list[Array]] = ([], [])
    for x, y in rows:
        chosen = rng.integers(len(x), size=(DRAWS, len(x)))
        drawn[0].append(x[chosen].mean(axis=1))
        drawn[1].append(y[chosen].mean(axis=1))
    xs, ys = (np.stack(side, axis=1) for side in drawn)
    found = [hypervolume(x, y, at) for x, y in zip(xs, ys, strict=True)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)
