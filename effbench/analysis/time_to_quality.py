"""How soon a training curve reaches a quality, and how much sooner than another.

A curve is a table of points: `train_s` (seconds) and `psnr` (dB).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from effbench.analysis.statistics import Bound, Summary, summarise_ratios


def time_to_reach(
    times: Sequence[float], values: Sequence[float], target: float
) -> tuple[float, Bound]:
    """Return when a curve first reaches `target`, linear between its points, and how exactly.

    times ascend. A curve whose first point has reached it gives that point's time and ">": it was
    faster than that. One that never reaches it gives NaN and "not reached".
    """
    reached = np.flatnonzero(np.asarray(values, float) >= target)
    if not len(reached):
        return math.nan, "not reached"
    after = int(reached[0])
    if after == 0:
        return float(times[0]), ">"
    before = after - 1
    part = (target - values[before]) / (values[after] - values[before])
    return float(times[before] + part * (times[after] - times[before])), ""


def speedup(curve: pd.DataFrame, baseline: pd.DataFrame) -> tuple[float, Bound]:
    """Return how many times faster `curve` reaches the last PSNR of `baseline` than it did itself.

    Both by the first crossing. NaN and "" where the curves do not say: one is empty, the baseline's
    first point has reached its last PSNR, or this one has it before it trains, being made of a
    model that did.
    """
    curve, baseline = (c.dropna(subset=["psnr"]).sort_values("train_s") for c in (curve, baseline))
    if curve.empty or baseline.empty:
        return math.nan, ""
    target = float(baseline["psnr"].iloc[-1])
    needed, early = time_to_reach(list(baseline["train_s"]), list(baseline["psnr"]), target)
    if early:
        return math.nan, ""
    own, bound = time_to_reach(list(curve["train_s"]), list(curve["psnr"]), target)
    if own == 0:
        return math.nan, ""
    return needed / own, bound


def summarise_speedups(found: Sequence[tuple[float, Bound]]) -> Summary:
    """Return the summary of speed-ups, by their logarithms. A mean of lower bounds is one itself;
    where a pair never reached the target there is no mean."""
    known = [(value, bound) for value, bound in found if bound or not math.isnan(value)]
    unreached = sum(bound == "not reached" for _, bound in known)
    if unreached:
        nan = math.nan
        return Summary(len(known), nan, nan, nan, nan, "not reached", unreached)
    whole = summarise_ratios([value for value, _ in known])
    if any(bound == ">" for _, bound in known):
        return replace(whole, high=math.inf, bound=">")
    return whole
