"""Is an effect the one that is claimed? Tests of equivalence, and the seeds that they take.

A claim is a value with a margin: the effects that count as the claimed one. It is confirmed where
the interval of the mean lies inside the margin (two one-sided tests; Schuirmann 1987,
doi:10.1007/BF01068419), contradicted where it lies outside, and open otherwise: a wide interval
confirms nothing. A claim without a value, "faster", is a region without an end on the good side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from effbench.analysis.statistics import CONFIDENCE, Summary

LEVEL = 1 - CONFIDENCE
POWER = 0.8  # of the seeds that are said to decide
MOST_SEEDS = 1000

Kind = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Region:
    """The effects that count as the claimed one: from low to high, in the measure's unit; one of
    them is 0 (of ratios) or infinite where only the direction of an effect is claimed."""

    low: float
    high: float
    kind: Kind

    @classmethod
    def around(cls, value: float, margin: float, kind: Kind) -> Region:
        """Return value ± margin, or for a ratio value / margin to value · margin."""
        if kind == "ratio":
            return cls(value / margin, value * margin, kind)
        return cls(value - margin, value + margin, kind)

    @classmethod
    def beyond(cls, margin: float, kind: Kind, better: Literal["lower", "higher"]) -> Region:
        """Return all that is better than no difference by more than a margin: above `margin`, or
        below 1 / margin for a ratio and −margin for a difference."""
        if better == "higher":
            return cls(margin, math.inf, kind)
        return cls(0.0, 1 / margin, kind) if kind == "ratio" else cls(-math.inf, -margin, kind)

    @property
    def one_sided(self) -> bool:
        """Whether only a direction is claimed."""
        return math.isinf(self.high) or self.low == (0 if self.kind == "ratio" else -math.inf)

    def p_inside(self, found: Summary) -> float:
        """Return the p-value of the claim that the effect is inside: at most 5 % exactly where the
        95 % interval is. A lower bound can be inside only where there is no upper end."""
        if found.bound and math.isfinite(self.high):
            return 1.0
        low, mean, high = self._scaled(found)
        return min(1.0, 2 * max(_p(mean - low, found), _p(high - mean, found)))

    def p_outside(self, found: Summary) -> float:
        """Return the p-value of the claim that the effect is outside: at most 5 % exactly where the
        95 % interval is. A lower bound can be above, never below."""
        low, mean, high = self._scaled(found)
        below = 1.0 if found.bound else _p(low - mean, found)
        return min(1.0, 2 * min(below, _p(mean - high, found)))

    def seeds_needed(self, found: Summary, level: float) -> int | None:
        """Return how many seeds decide with a power of 80 % at a level, if the effect and the
        spread are those found; None for more than 1,000."""
        low, mean, high = self._scaled(found)
        std = found.se * math.sqrt(found.n)
        both: tuple[float, ...] = (mean - low, high - mean)
        distances = both if min(both) >= 0 else (-min(both),)  # it lies beyond one side
        distances = tuple(d for d in distances if math.isfinite(d))
        n = np.arange(found.n + 1, MOST_SEEDS + 1)
        critical = stats.t.ppf(1 - level / 2, n - 1)
        missed = [stats.nct.cdf(critical, n - 1, d / std * np.sqrt(n)) for d in distances]
        enough = n[np.sum(missed, axis=0) <= 1 - POWER]
        return int(enough[0]) if len(enough) else None

    def _scaled(self, found: Summary) -> tuple[float, float, float]:
        """Return low, mean and high on the scale that is tested."""
        values = (self.low, found.mean, self.high)
        if self.kind == "ratio":
            low = math.log(self.low) if self.low else -math.inf
            return low, math.log(found.mean), math.log(self.high)
        return values


def _p(distance: float, found: Summary) -> float:
    """Return the one-sided p-value of a mean that lies `distance` beyond a bound."""
    if found.se == 0 or math.isnan(found.se):
        return 0.0 if found.se == 0 and distance >= 0 else 1.0
    return float(stats.t.sf(distance / found.se, found.df))
