"""Comparing methods by paired repetitions: pure functions on tables of cells and of curves.

cells: one row per cell: `cell` (unique), `repetition`, and figures such as psnr (dB), iter_ms,
saved_mb. curves: one row per point: `cell`, `train_s`, `psnr`. A pair is a repetition that two
rows both finished: differences and ratios are taken within pairs, which share the scene and the
machine's mood, then averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

Bound = Literal["", ">", "not reached"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measure:
    """How a method is compared with its baseline. neutral: no difference; better: which way is
    good; title and unit are for people."""

    title: str
    unit: str
    neutral: float
    better: Literal["lower", "higher"]


MEASURES = {
    "iter_ratio": Measure("iteration time", "×", 1.0, "lower"),
    "saved_ratio": Measure("memory saved for backward", "×", 1.0, "lower"),
    "psnr_gain": Measure("PSNR at equal time", " dB", 0.0, "higher"),
    "speedup": Measure("speed-up to the baseline's PSNR", "×", 1.0, "higher"),
}


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


def pair(cells: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Join two rows' cells by repetition; the baseline's columns end in `_baseline`. A repetition
    that only one of them has is left out."""
    return cells.merge(baseline, on="repetition", suffixes=("", "_baseline")).sort_values(
        "repetition", ignore_index=True
    )


def ratios(pairs: pd.DataFrame, figure: str) -> pd.Series[float]:
    """Return figure ÷ the baseline's per pair, without pairs in which either is missing."""
    own, other = _both(pairs, figure)
    return (own / other).replace([math.inf, -math.inf], math.nan).dropna()


def differences(pairs: pd.DataFrame, figure: str) -> pd.Series[float]:
    """Return figure − the baseline's per pair, without pairs in which either is missing."""
    own, other = _both(pairs, figure)
    return (own - other).dropna()


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

    Both by the first crossing. NaN and "" where the curves do not say: one is empty, or the
    baseline's first point has reached its last PSNR.
    """
    curve, baseline = (c.dropna(subset=["psnr"]).sort_values("train_s") for c in (curve, baseline))
    if curve.empty or baseline.empty:
        return math.nan, ""
    target = float(baseline["psnr"].iloc[-1])
    needed, early = time_to_reach(list(baseline["train_s"]), list(baseline["psnr"]), target)
    if early:
        return math.nan, ""
    own, bound = time_to_reach(list(curve["train_s"]), list(curve["psnr"]), target)
    return needed / own, bound


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


def summarise_speedups(found: Sequence[tuple[float, Bound]]) -> Summary:
    """Return the summary of speed-ups. A mean of lower bounds is a lower bound; where a pair never
    reached the target there is no mean."""
    known = [(value, bound) for value, bound in found if bound or not math.isnan(value)]
    unreached = sum(bound == "not reached" for _, bound in known)
    if unreached:
        nan = math.nan
        return Summary(len(known), nan, nan, nan, nan, "not reached", unreached)
    whole = summarise([value for value, _ in known])
    if any(bound == ">" for _, bound in known):
        return Summary(whole.n, whole.mean, whole.std, whole.low, math.inf, ">")
    return whole


def compare(
    cells: pd.DataFrame, baseline: pd.DataFrame, curves: pd.DataFrame
) -> dict[str, Summary]:
    """Return the summary of every measure for a row's finished cells against a baseline's."""
    pairs = pair(cells, baseline)
    by_cell = dict(tuple(curves.groupby("cell")))
    none = curves.iloc[:0]
    found = [
        speedup(by_cell.get(own, none), by_cell.get(other, none))
        for own, other in zip(pairs["cell"], pairs["cell_baseline"], strict=True)
    ]
    return {
        "iter_ratio": summarise(list(ratios(pairs, "iter_ms"))),
        "saved_ratio": summarise(list(ratios(pairs, "saved_mb"))),
        "psnr_gain": summarise(list(differences(pairs, "psnr"))),
        "speedup": summarise_speedups(found),
    }


def _both(pairs: pd.DataFrame, figure: str) -> tuple[pd.Series[float], pd.Series[float]]:
    return pairs[figure].astype(float), pairs[f"{figure}_baseline"].astype(float)
