"""PSNR under a time budget is compared as if both sides had done as many iterations."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from effbench.analysis.equal_terms import Curve
from effbench.report.gate import equal_iterations
from effbench.report.gate.equal_iterations import SLOPE


def side(iterations: list[float], psnr: list[float], slope: float = math.nan) -> pd.DataFrame:
    return pd.DataFrame({"iterations": iterations, "psnr": psnr, SLOPE: slope})


def test_the_slope_is_of_the_second_half_of_training() -> None:
    iteration = np.array([10.0, 400, 500, 700, 1000])
    psnr = 20 + 1.5 * np.log(iteration)
    psnr[:2] = 3.0  # the beginning says nothing of the end
    assert equal_iterations.slope(Curve(iteration, iteration, psnr)) == pytest.approx(1.5)
    few = Curve(iteration[[0, 4]], iteration[[0, 4]], psnr[[0, 4]])
    assert math.isnan(equal_iterations.slope(few))
    none = np.zeros(0)
    assert math.isnan(equal_iterations.slope(Curve(none, none, none)))


def test_a_tenth_fewer_iterations_are_made_up_for() -> None:
    old = side([1000, 1000], [30.0, 30.2], 1.5)
    new = side([900, 900], [30.0 + 1.5 * math.log(0.9), 30.2 + 1.5 * math.log(0.9)], 1.5)
    was, now = equal_iterations.correct(old, new)
    assert list(was) == [30.0, 30.2]
    assert list(now) == pytest.approx([30.0, 30.2])
    before, after = (
        [np.asarray(s, float) for s in pair] for pair in ((old["psnr"], new["psnr"]), (was, now))
    )
    assert equal_iterations.moved(before, after) == pytest.approx(-1.5 * math.log(0.9))


def test_one_sides_slopes_do_for_both_and_none_changes_nothing() -> None:
    old, new = side([1000], [30.0]), side([900], [29.8], 2.0)
    _, now = equal_iterations.correct(old, new)
    assert now[0] == pytest.approx(29.8 - 2.0 * math.log(0.9))
    _, same = equal_iterations.correct(old, side([900], [29.8]))
    assert same[0] == 29.8


def test_a_flat_curve_is_doubted_as_much_as_the_middle_of_all() -> None:
    growth, less = np.array([0.2, 2.0, 3.0]), np.array([-0.1, 0.1, 0.1])
    found = equal_iterations.doubt(growth, less)
    assert found == pytest.approx(equal_iterations.DOUBT * 0.1 * np.array([2.0, 2.0, 3.0]))
    assert equal_iterations.doubt(np.zeros(0), np.zeros(0)).size == 0


def test_a_falling_curve_corrects_nothing() -> None:
    _, now = equal_iterations.correct(side([1000], [30.0], -4.0), side([900], [29.8], -4.0))
    assert now[0] == 29.8
