"""BD-rates worked out by hand, and the curves that have none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from effbench.analysis.bd_rate import bd_rate


def test_half_the_size_at_every_quality_is_minus_fifty_percent() -> None:
    found = bd_rate([1.0, 2.0, 8.0], [20.0, 24.0, 30.0], [0.5, 1.0, 4.0], [20.0, 24.0, 30.0])
    assert found.percent == pytest.approx(-50.0)
    assert (found.low_db, found.high_db, found.reason) == (20.0, 30.0, "")


def test_two_points_are_straight_lines_over_what_both_reach() -> None:
    # log₂ size: the anchor's is q − 20 over 20 to 24 dB, the curve's 1.5 · (q − 22) over 22 to 26.
    # Over 22 to 24 dB the means are 3 and 1.5: 2^−1.5 of the size.
    found = bd_rate([1.0, 16.0], [20.0, 24.0], [1.0, 64.0], [22.0, 26.0])
    assert (found.low_db, found.high_db) == (22.0, 24.0)
    assert found.percent == pytest.approx(100 * (2**-1.5 - 1))


def test_the_order_of_points_does_not_matter_and_beaten_ones_are_left_out() -> None:
    plain = bd_rate([1, 4], [20, 24], [1, 2, 4], [21, 23, 24])
    shuffled = bd_rate([4, 1], [24, 20], [4, 3.0, 1, 2], [24, 22.0, 21, 23])
    assert shuffled == plain


@pytest.mark.parametrize(
    ("size", "psnr", "reason"),
    [
        ([1.0], [20.0], "the curve has fewer than 2 points on its front"),
        ([1.0, 2.0], [20.0, 19.0], "the curve has fewer than 2 points on its front"),
        ([1.0, 2.0], [24.0, 26.0], "the curves have no range of PSNR in common"),
    ],
)
def test_what_has_no_rate_says_why(size: list[float], psnr: list[float], reason: str) -> None:
    found = bd_rate([1.0, 2.0], [20.0, 24.0], size, psnr)
    assert math.isnan(found.percent)
    assert found.reason == reason


def test_the_integral_is_that_of_the_interpolated_curve() -> None:
    anchor, curve = ([1.0, 3.0, 4.0], [20.0, 22.0, 27.0]), ([0.9, 1.0, 6.0], [21.0, 22.5, 26.0])
    from scipy.interpolate import PchipInterpolator

    q = np.linspace(21, 26, 20001)
    logs = [PchipInterpolator(psnr, np.log(size))(q) for size, psnr in (anchor, curve)]
    expected = 100 * math.expm1(float(np.mean(logs[1] - logs[0])))
    assert bd_rate(*anchor, *curve).percent == pytest.approx(expected, abs=0.05)
