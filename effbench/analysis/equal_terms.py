"""Rows on equal terms, read off their training curves: the same total time, the same number of
iterations, the same quality.

A row that starts from a parent has used the parent's time as well, and a method with short
iterations does more of them: at the end of equal budgets neither is equal. Curves hold the PSNR of
the few views that are looked at while training, so that these figures compare with one another and
not with the final PSNR. What a curve does not reach is a bound, and said to be one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from effbench.analysis.identity import GROUP
from effbench.analysis.time_to_quality import time_to_reach

COLUMNS = (
    *("at_total_s", "psnr_at_total", "psnr_at_total_bound"),
    *("at_iterations", "psnr_at_iterations", "psnr_at_iterations_bound"),
    *("to_baseline_s", "to_baseline_bound"),
)
_SLACK = 0.02  # a curve that ends this part before what is asked for has reached it
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Points of one cell's training, in order: iteration, total_s (seconds with what was prepared
    before), psnr (dB, without NaN), each [points]."""

    iteration: Array
    total_s: Array
    psnr: Array

    @classmethod
    def of(cls, iteration: Array, train_s: Array, psnr: Array, prepare_s: float) -> Curve:
        """Return the curve of the points that have a PSNR."""
        known = np.isfinite(psnr)
        return cls(iteration[known], train_s[known] + prepare_s, psnr[known])


def compare(
    cells: pd.DataFrame, curves: Mapping[int, Curve], row: pd.Series[int], baseline: str | None
) -> pd.DataFrame:
    """Return COLUMNS per row of a leaderboard.

    cells: columns of GROUP, `label` (the row's name) and `status`, indexed like `row`, which has
    the number of each cell's row; curves: by the same index. at_total_s: the longest total time of
    a row of the group, at_iterations: the iterations of the baseline, each of the repetition that
    had least of it; psnr_at_*: mean over the
    repetitions; to_baseline_s: mean total time at which the last PSNR of the baseline, mean over
    its repetitions, is first reached. *_bound: "" for exact, ">=" or "<=" where a curve ends before
    or begins behind what is asked for, ">" where the quality is never reached: the mean is then a
    bound.
    """
    found = pd.DataFrame(index=pd.Index(sorted(row.unique())), columns=list(COLUMNS))
    done = cells[cells["status"] == "ok"]
    for _, group in done.groupby([*GROUP], sort=False):
        by_row = {
            number: own
            for number, cell in group.groupby(row[group.index])
            if (own := [curves[i] for i in cell.index if i in curves and len(curves[i].psnr)])
        }
        if not by_row:
            continue
        base = group[group["label"] == baseline] if baseline else group.iloc[:0]
        reference = [curves[i] for i in base.index if i in curves and len(curves[i].psnr)]
        for number, values in _compared(by_row, reference).items():
            found.loc[number] = [values.get(name, _empty(name)) for name in COLUMNS]
    bounds = [name for name in COLUMNS if name.endswith("_bound")]
    numbers = [name for name in COLUMNS if name not in bounds]
    return found.astype(dict.fromkeys(numbers, float)).fillna(dict.fromkeys(bounds, ""))


def _compared(
    rows: Mapping[int, list[Curve]], reference: list[Curve]
) -> dict[int, dict[str, float | str]]:
    # the least of a row's repetitions, so that all of them have got there
    total = max(min(float(c.total_s[-1]) for c in own) for own in rows.values())
    found: dict[int, dict[str, float | str]] = {}
    for number, own in rows.items():
        values: dict[str, float | str] = {"at_total_s": total}
        at = [_at(c.total_s, c.psnr, total) for c in own]
        values["psnr_at_total"], values["psnr_at_total_bound"] = _mean(at)
        if reference:
            iterations = min(float(c.iteration[-1]) for c in reference)
            at = [_at(c.iteration, c.psnr, iterations) for c in own]
            values["at_iterations"] = iterations
            values["psnr_at_iterations"], values["psnr_at_iterations_bound"] = _mean(at)
            target = float(np.mean([c.psnr[-1] for c in reference]))
            reached = [_reach(c, target) for c in own]
            values["to_baseline_s"], values["to_baseline_bound"] = _mean(reached)
        found[number] = values
    return found


def _at(places: Array, psnr: Array, place: float) -> tuple[float, str]:
    """Return a curve's PSNR at a place, linear between its points, and what kind of bound it is."""
    if place > places[-1] * (1 + _SLACK):
        return float(psnr[-1]), ">="  # more training does not hurt, as a rule
    if place < places[0]:
        return float(psnr[0]), "<="
    return float(np.interp(place, places, psnr)), ""


def _reach(curve: Curve, target: float) -> tuple[float, str]:
    """Return the total time at which a curve first has a PSNR."""
    when, bound = time_to_reach(list(curve.total_s), list(curve.psnr), target)
    if bound == "not reached":
        return float(curve.total_s[-1]), ">"
    return when, "<=" if bound else ""


def _mean(values: list[tuple[float, str]]) -> tuple[float, str]:
    """Return the mean, and which way it is a bound; NaN where seeds bound it both ways."""
    bounds = {bound for _, bound in values if bound}
    if len({bound[0] for bound in bounds}) > 1:
        return math.nan, ""
    return float(np.mean([value for value, _ in values])), min(bounds, default="")


def _empty(name: str) -> float | str:
    return "" if name.endswith("_bound") else math.nan
