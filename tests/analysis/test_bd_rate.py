"""BD-rates: figures worked out by hand, and what stands in their way."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from effbench.analysis.bd_rate import bd_rate, families


def test_half_the_size_at_every_psnr() -> None:
    found = bd_rate([1.0, 2.0, 4.0], [20.0, 22.0, 25.0], [2.0, 4.0, 8.0], [20.0, 22.0, 25.0])
    assert found.percent == pytest.approx(-50.0)
    assert (found.low, found.high, found.why) == (20.0, 25.0, "")


def test_two_points_are_a_line_in_log_size() -> None:
    # own: log₂ size from 0 to 2 over 20 to 24 dB; other: from 1 to 2 over 22 to 26 dB. Both have 22
    # to 24 dB: own 1 to 2, mean 1.5; other 1 to 1.5, mean 1.25: 2^0.25 times the size.
    found = bd_rate([1.0, 4.0], [20.0, 24.0], [2.0, 4.0], [22.0, 26.0])
    assert found.percent == pytest.approx(100 * (2**0.25 - 1))
    assert (found.low, found.high) == (22.0, 24.0)


def test_the_other_way_round_is_the_inverse() -> None:
    own, other = ([1.0, 3.0, 9.0], [20.0, 23.0, 24.0]), ([2.0, 4.0, 9.0], [20.5, 23.0, 25.0])
    there, back = bd_rate(*own, *other).percent, bd_rate(*other, *own).percent
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1.0)


def test_a_point_that_is_beaten_in_both_does_not_bend_the_curve() -> None:
    plain = bd_rate([1.0, 4.0], [20.0, 24.0], [2.0, 8.0], [20.0, 24.0])
    beaten = bd_rate([1.0, 5.0, 4.0], [20.0, 23.0, 24.0], [2.0, 8.0], [20.0, 24.0])
    assert beaten.percent == pytest.approx(plain.percent)


def test_too_few_points_and_no_common_psnr_are_told() -> None:
    single = bd_rate([1.0], [20.0], [2.0, 4.0], [20.0, 24.0])
    assert single.why == "a side has 1 of the 2 points it takes"
    apart = bd_rate([1.0, 2.0], [20.0, 21.0], [2.0, 4.0], [22.0, 24.0])
    assert apart.why == "no PSNR in common: 20.00–21.00 and 22.00–24.00 dB"
    assert math.isnan(single.percent)
    assert math.isnan(apart.percent)


def board(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["method", "variant", "psnr", "model_mb"])
    return frame.assign(role="row")


def test_families_of_pruned_rows_stand_against_each_other() -> None:
    found = families(
        board(
            ("nerf", "", 30.0, 4.0),
            ("nerf-pruned", "selection=a,width=64", 20.0, 1.0),
            ("nerf-pruned", "selection=a,width=128", 24.0, 4.0),
            ("nerf-pruned", "selection=b,width=64", 20.0, 2.0),
            ("nerf-pruned", "selection=b,width=128", 24.0, 8.0),
        )
    )
    names = list(zip(found["family"], found["against"], strict=True))
    a, b = "nerf-pruned selection=a", "nerf-pruned selection=b"
    assert names == [(a, b), (b, a)]
    assert found["percent"].tolist() == pytest.approx([-50.0, 100.0])
    assert found["points"].tolist() == [2, 2]


def test_quantised_rows_stand_against_what_they_quantise() -> None:
    found = families(
        board(
            ("student", "", 25.0, 8.0),
            ("iterative-30", "", 23.0, 4.0),
            ("iterative-50", "", 22.0, 2.0),
            ("quantized", "of=student,precision=int8", 25.0, 2.0),
            ("quantized", "of=iterative-50,precision=int8", 22.0, 0.5),
            ("quantized", "of=iterative-30,precision=int8", 23.0, 1.0),
        )
    )
    assert found["family"].tolist() == ["quantized precision=int8"]
    assert found["against"].tolist() == ["the same unquantised"]
    assert found["percent"].tolist() == pytest.approx([-75.0])
