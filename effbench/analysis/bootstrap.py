"""Means of rows as other seeds might have made them: the bootstrap over seeds.

A row's finished cells are drawn with replacement, all figures of a cell together, rows apart.
Drawn means of n values spread √((n − 1)/n) times as far as means of new seeds would: their
deviations are widened by the inverse, which matters at three seeds. Even so the intervals are a
guide rather than a promise: docs/cli.md says how often they held in simulations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from effbench.analysis.statistics import CONFIDENCE

Array = npt.NDArray[np.float64]

DRAWS = 2000


def drawn_means(
    cells: pd.DataFrame,
    row: pd.Series[int],
    figures: Sequence[str],
    positive: Sequence[str] = (),
    draws: int = DRAWS,
) -> dict[str, Array]:
    """Return, per figure, means over drawn seeds, [draws, rows], rows ordered by their numbers.

    cells: finished ones, a column per figure; row: per cell the number of its row; positive: the
    figures that cannot be 0 or less, whose deviations are widened as ratios. A row of a single seed
    is the same in every draw. Always the same draws for the same cells.
    """
    rng = np.random.default_rng(0)
    made: dict[str, list[Array]] = {name: [] for name in figures}
    for _, own in cells[list(figures)].astype(float).groupby(row):
        n = len(own)
        chosen = rng.integers(n, size=(draws, n))
        for name in figures:
            values = own[name].to_numpy()
            mean, drawn = values.mean(), values[chosen].mean(axis=1)
            wider = math.sqrt(n / (n - 1)) if n > 1 else 0.0
            if name in positive:
                made[name].append(mean * (drawn / mean) ** wider)
            else:
                made[name].append(mean + wider * (drawn - mean))
    return {name: np.stack(columns, axis=1) for name, columns in made.items()}


def interval(values: Array) -> tuple[float, float]:
    """Return the 95 % interval of drawn values; NaN where more than one in twenty is missing."""
    known = values[np.isfinite(values)]
    if len(known) < CONFIDENCE * len(values):
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
