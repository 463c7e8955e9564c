"""Rows at equal total time, iterations and quality, and what a curve does not reach."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from effbench.analysis import equal_terms
from effbench.analysis.equal_terms import Curve


def curve(points: list[tuple[float, float, float]], prepare_s: float = 0.0) -> Curve:
    """Points of iteration, train_s and psnr."""
    iteration, train_s, psnr = np.array(points, float).T
    return Curve.of(iteration, train_s, psnr, prepare_s)


DENSE = curve([(100, 10, 18.0), (200, 20, 20.0), (400, 40, 22.0)])
CHILD = curve([(200, 10, 21.0), (400, 20, 23.0), (800, 40, 24.0)], prepare_s=40.0)


def compared(
    curves: dict[int, Curve], labels: list[str], rows: list[int] | None = None
) -> pd.DataFrame:
    group = {"suite": "s", "scene": "a/b", "budget": "40s", "device": "cpu"}
    cells = pd.DataFrame({"label": labels}).assign(status="ok", **group)
    return equal_terms.compare(cells, curves, pd.Series(rows or range(len(labels))), "nerf")


def test_a_child_is_compared_when_its_parents_time_is_counted() -> None:
    found = compared({0: DENSE, 1: CHILD}, ["nerf", "child"])
    assert list(found["at_total_s"]) == [80.0, 80.0]
    assert list(found["psnr_at_total"]) == [22.0, 24.0]
    assert list(found["psnr_at_total_bound"]) == [">=", ""]  # the dense one ended at 40 s


def test_equal_iterations_are_the_baselines() -> None:
    found = compared({0: DENSE, 1: CHILD}, ["nerf", "child"])
    assert list(found["at_iterations"]) == [400.0, 400.0]
    assert list(found["psnr_at_iterations"]) == [22.0, 23.0]
    early = compared({0: DENSE, 1: curve([(50, 10, 15.0), (90, 40, 17.0)])}, ["nerf", "slow"])
    assert early.loc[1, "psnr_at_iterations"] == 17.0
    assert early.loc[1, "psnr_at_iterations_bound"] == ">="


def test_the_time_to_the_baselines_quality_is_total_time() -> None:
    found = compared({0: DENSE, 1: CHILD}, ["nerf", "child"])
    assert found.loc[0, "to_baseline_s"] == 40.0
    assert found.loc[1, "to_baseline_s"] == pytest.approx(40 + 15)  # half way from 21 to 23
    never = compared({0: DENSE, 1: curve([(50, 10, 15.0), (90, 40, 17.0)])}, ["nerf", "slow"])
    assert (never.loc[1, "to_baseline_s"], never.loc[1, "to_baseline_bound"]) == (40.0, ">")
    once = compared({0: DENSE, 1: curve([(50, 10, 25.0), (90, 40, 27.0)])}, ["nerf", "fast"])
    assert (once.loc[1, "to_baseline_s"], once.loc[1, "to_baseline_bound"]) == (10.0, "<=")


def test_seeds_are_averaged_and_one_bound_makes_the_mean_a_bound() -> None:
    short = curve([(100, 10, 18.0), (300, 30, 21.0)])
    found = compared({0: DENSE, 1: DENSE, 2: short}, ["nerf", "x", "x"], [0, 1, 1])
    assert found.loc[1, "psnr_at_total"] == pytest.approx((22.0 + 21.0) / 2)
    assert found.loc[1, "psnr_at_total_bound"] == ">="


def test_bounds_on_both_sides_are_no_mean() -> None:
    late, short = curve([(500, 10, 20.0), (900, 40, 25.0)]), curve([(90, 10, 18.0), (99, 40, 19.0)])
    found = compared({0: DENSE, 1: late, 2: short}, ["nerf", "x", "x"], [0, 1, 1])
    assert found["psnr_at_iterations"].isna()[1]


def test_without_the_baseline_or_without_a_curve_there_is_less_to_say() -> None:
    found = compared({0: DENSE}, ["other", "curveless"])
    assert found.loc[0, "psnr_at_total"] == 22.0
    assert found["at_iterations"].isna()[0]
    assert found["at_total_s"].isna()[1]
    assert found.loc[1, "psnr_at_total_bound"] == ""


def test_points_without_a_psnr_are_left_out() -> None:
    gap = curve([(100, 10, 18.0), (200, 20, math.nan), (400, 40, 22.0)])
    assert list(gap.iteration) == [100, 400]
