"""Is an effect the one that is claimed? Tests of equivalence, and the seeds that they take.

A claim is a value with a margin: the effects that count as the claimed one. It is confirmed where
the interval of the mean lies inside the margin (two one-sided tests; Schuirmann 1987,
doi:10.1007/BF01068419), contradicted where it lies outside, and open otherwise: a wide interval
confirms nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from effbench.analysis.statistics import CONFIDENCE, Summary

LEVEL = 1 - CONFIDENCE
_MOST_SEEDS = 1000

Kind = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Region:
    """The effects that count as the claimed one: from low to high, in the measure's unit."""

    low: float
    high: float
    kind: Kind

    @classmethod
    def around(cls, value: float, margin: float, kind: Kind) -> Region:
        """Return value ± margin, or for a ratio value / margin to value · margin."""
        if kind == "ratio":
            return cls(value / margin, value * margin, kind)
        return cls(value - margin, value + margin, kind)

    def _scaled(self, found: Summary) -> tuple[float, float, float]:
        """Return low, mean and high on the scale that is tested."""
        values = (self.low, found.mean, self.high)
        if self.kind == "ratio":
            return math.log(values[0]), math.log(values[1]), math.log(values[2])
        return values

    def p_inside(self, found: Summary) -> float:
        """Return the two-sided p-value that the effect is not inside: at most 5 % where the 95 %
        interval is."""
        low, mean, high = self._scaled(found)
        if found.bound:
            return 1.0
        return min(1.0, 2 * max(_p(mean - low, found), _p(high - mean, found)))

    def p_outside(self, found: Summary) -> float:
        """Return the two-sided p-value that the effect is inside after all: at most 5 % where the
        95 % interval lies outside."""
        low, mean, high = self._scaled(found)
        below = 1.0 if found.bound else _p(low - mean, found)
        return min(1.0, 2 * min(below, _p(mean - high, found)))

    def seeds_needed(self, found: Summary, level: float) -> int | None:
        """Return how many seeds decide, if the mean and the spread stay what they are, at a level;
        None for more than 1,000."""
        low, mean, high = self._scaled(found)
        distance = min(abs(mean - low), abs(mean - high))
        std = found.se * math.sqrt(found.n)
        for n in range(3, _MOST_SEEDS + 1):
            half = float(stats.t.ppf(1 - level / 2, n - 1)) * std / math.sqrt(n)
            if half < distance:
                return n
        return None


def _p(distance: float, found: Summary) -> float:
    """Return the one-sided p-value of a mean that lies `distance` beyond a bound."""
    if found.se == 0 or math.isnan(found.se):
        return 0.0 if found.se == 0 and distance >= 0 else 1.0
    return float(stats.t.sf(distance / found.se, found.df))
