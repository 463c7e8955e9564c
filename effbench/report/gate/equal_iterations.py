"""PSNR under a time budget without the machine's speed in it: what it would be after the baseline's
number of iterations.

A machine that is 5 % slower today does 5 % fewer iterations in the same minute, and every row loses
PSNR. How much follows from the training curves: PSNR grows about linearly with the logarithm of
the iterations. A method that needs longer for an iteration shows in its iteration time, which is
compared with the reference's of the same run. Budgets of iterations need none of this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from effbench.analysis.equal_terms import Curve
from effbench.analysis.significance import Array
from effbench.method.budget import Budget

SLOPE = "psnr_slope"  # of a cell: dB by which PSNR grows while iterations grow e-fold
# The standard error of a correction, as a part of it: a curve's slope near its end is not quite
# that between trainings of other lengths, whose learning rates fall at other times. A guess,
# somewhat above what little is known: the simulation errs by 0.3 and then needs this much to stay
# below 1 % of false alarms (docs/regression.md).
DOUBT = 0.35
_FROM = 0.5  # the part of the iterations from which on a curve's slope is taken


def slope(curve: Curve) -> float:
    """Return the slope of a curve over the logarithm of its iterations, dB, by least squares over
    the second half of the training; NaN where it has fewer than two points there."""
    late = curve.iteration >= _FROM * curve.iteration.max(initial=0.0)
    late &= curve.iteration > 0
    if len(np.unique(curve.iteration[late])) < 2:
        return math.nan
    return float(np.polyfit(np.log(curve.iteration[late]), curve.psnr[late], 1)[0])


def correct(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return what the PSNR of two sides' cells would be after as many iterations as the baseline
    did (geometric mean), dB.

    old, new: columns psnr, iterations, SLOPE. The slope is the median of all cells that know
    theirs. Both as they are where there is none, or the budget is of iterations.
    """
    growth = growth_of(old, new)
    if math.isnan(growth):
        return old["psnr"], new["psnr"]
    common = float(np.log(old["iterations"]).mean())
    was, now = (s["psnr"] - growth * (np.log(s["iterations"]) - common) for s in (old, new))
    return was, now


def growth_of(*sides: pd.DataFrame) -> float:
    """Return by how much a row's PSNR grows while iterations grow e-fold, dB, ≥ 0: the median of
    its cells; NaN where no curve tells it or a side has no iterations."""
    slopes = pd.concat([side[SLOPE] for side in sides]).dropna()
    known = all((side["iterations"] > 0).all() and len(side) for side in sides)
    return max(0.0, float(slopes.median())) if known and len(slopes) else math.nan


def doubt(growth: Array, less: Array) -> Array:
    """Return the standard error of rows' corrections, dB, [..., rows].

    growth: by how much PSNR grows while iterations grow e-fold, dB; less: the logarithm of the
    candidate's iterations over the baseline's; both [..., rows]. A row that hardly grows by its
    curves is doubted as much as the middle of all rows: where a curve tells too little, a part of
    what it tells is too little, too.
    """
    if not growth.size:
        return np.zeros(growth.shape)
    middle = np.median(growth, axis=-1, keepdims=True)
    return np.asarray(DOUBT * np.maximum(growth, middle) * np.abs(less), float)


def is_timed(budget: str) -> bool:
    """Whether a budget is one of time."""
    return Budget.parse(budget).seconds is not None


def moved(before: Sequence[Array], after: Sequence[Array]) -> float:
    """Return by how much a correction changed the difference of the sides' means, dB.

    before, after: the baseline's seeds and the candidate's.
    """
    (old, new), (was, now) = before, after
    return float((now.mean() - was.mean()) - (new.mean() - old.mean()))
