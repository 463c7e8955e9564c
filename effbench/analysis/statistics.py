"""The one notion of a mean and its interval: over seeds or pairs of them, by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Bound = Literal["", ">", "not reached"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation (ddof = 1, NaN for n = 1) over n pairs, and the 95 %
    interval of the mean (Student's t; NaN for n = 1). bound: "" for exact, ">" for a mean that is
    a lower bound, "not reached" (mean NaN) if that holds for `unreached` ≥ 1 of the pairs."""

    n: int
    mean: float
    std: float
    low: float
    high: float
    bound: Bound = ""
    unreached: int = 0


def summarise(values: Sequence[float]) -> Summary:
    """Return the summary of one value per pair."""
    found = np.asarray(values, float)
    n = len(found)
    if not n:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    mean = float(found.mean())
    if n == 1:
        return Summary(1, mean, math.nan, math.nan, math.nan)
    std = float(found.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * std / math.sqrt(n)
    return Summary(n, mean, std, mean - half, mean + half)
