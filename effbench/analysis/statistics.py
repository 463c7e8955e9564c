"""The one notion of a mean and its interval: over seeds or pairs of them, by Student's t.

Ratios are averaged and tested by their logarithms everywhere: 2× and ½× are equally far from 1×.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

Bound = Literal["", ">", "not reached"]
Test = Literal["paired", "unpaired", "scenes"]

CONFIDENCE = 0.95
_EXACT = 1e-12  # deviations below this part of the values are rounding: a size does not vary


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation (ddof = 1, NaN for n = 1) over n pairs, and the 95 %
    interval of the mean (Student's t; NaN for n = 1). bound: "" for exact, ">" for a mean that is
    a lower bound, "not reached" (mean NaN) if that holds for `unreached` ≥ 1 of the pairs. se, df:
    standard error of the mean, of its logarithm for ratios, and degrees of freedom. test: "paired"
    (of differences or ratios within pairs), "unpaired" (of two independent samples, by Welch) or
    "scenes" (of one mean per scene)."""

    n: int
    mean: float
    std: float
    low: float
    high: float
    bound: Bound = ""
    unreached: int = 0
    se: float = math.nan
    df: float = math.nan
    test: Test = "paired"


def summarise(values: Sequence[float]) -> Summary:
    """Return the summary of one value per pair."""
    found = np.asarray(values, float)
    n = len(found)
    if not n:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    mean = float(found.mean())
    if n == 1:
        return Summary(1, mean, math.nan, math.nan, math.nan)
    std = _spread(found)
    se = std / math.sqrt(n)
    half = _factor(n - 1) * se
    return Summary(n, mean, std, mean - half, mean + half, se=se, df=n - 1)


def summarise_ratios(values: Sequence[float]) -> Summary:
    """Return the summary of one positive ratio per pair: the geometric mean, with the interval of
    the logarithm. std: of the logarithm, times the mean."""
    return _exponential(summarise(list(np.log(np.asarray(values, float)))))


def summarise_unpaired(own: Sequence[float], other: Sequence[float], *, ratio: bool) -> Summary:
    """Return the summary of a difference, or a ratio, of the means of two independent samples, by
    Welch's t. n: of the smaller sample; std: of both together, as of one difference."""
    a, b = (np.log(np.asarray(x, float)) if ratio else np.asarray(x, float) for x in (own, other))
    n = min(len(a), len(b))
    if n < 2:
        single = summarise([float(a.mean() - b.mean())] if n else [])
        return replace(_exponential(single) if ratio else single, test="unpaired")
    parts = [_spread(x) ** 2 / len(x) for x in (a, b)]
    mean, se = float(a.mean() - b.mean()), math.sqrt(sum(parts))
    squares = sum(p**2 / (len(x) - 1) for p, x in zip(parts, (a, b), strict=True))
    df = sum(parts) ** 2 / squares if squares else float(len(a) + len(b) - 2)
    half = _factor(df) * se
    std = se * math.sqrt(n)
    found = Summary(n, mean, std, mean - half, mean + half, se=se, df=df, test="unpaired")
    return _exponential(found) if ratio else found


def _exponential(found: Summary) -> Summary:
    """Return the summary of ratios whose logarithms have one."""
    mean, low, high = (math.exp(x) for x in (found.mean, found.low, found.high))
    return replace(found, mean=mean, std=found.std * mean, low=low, high=high)


def _spread(values: npt.NDArray[np.float64]) -> float:
    """Return the sample standard deviation; 0 for what varies by rounding alone."""
    std = float(values.std(ddof=1))
    return 0.0 if std <= _EXACT * float(np.abs(values).max()) else std


def _factor(df: float) -> float:
    """Return how many standard errors half of an interval is."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, df))
