"""Times to reach a PSNR, and speed-ups: every figure worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from effbench.analysis import time_to_quality
from effbench.analysis.statistics import Bound

NAN = math.nan


def curve(times: list[float], psnr: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"train_s": times, "psnr": psnr})


@pytest.mark.parametrize(
    ("values", "target", "expected", "bound"),
    [
        ([10.0, 20.0, 30.0], 25.0, 15.0, ""),  # half-way between 10 s and 20 s
        ([10.0, 20.0, 30.0], 30.0, 20.0, ""),  # at a point
        ([10.0, 20.0, 30.0], 10.0, 5.0, ">"),  # at or before the first point
        ([10.0, 20.0, 30.0], 30.1, NAN, "not reached"),
        ([10.0, 30.0, 20.0], 20.0, 7.5, ""),  # the first crossing counts
        ([], 10.0, NAN, "not reached"),
    ],
)
def test_the_time_to_reach_a_value(
    values: list[float], target: float, expected: float, bound: Bound
) -> None:
    times = [5.0, 10.0, 20.0][: len(values)]
    time, found = time_to_quality.time_to_reach(times, values, target)
    assert time == pytest.approx(expected, nan_ok=True)
    assert found == bound


class TestSpeedup:
    BASELINE = curve([10.0, 20.0, 40.0], [20.0, 22.0, 24.0])

    def test_both_reach_the_baselines_last_psnr(self) -> None:
        # 24 dB: the baseline after 40 s, the other half-way between 10 s (23 dB) and 20 s (25 dB)
        fast = curve([10.0, 20.0], [23.0, 25.0])
        value, bound = time_to_quality.speedup(fast, self.BASELINE)
        assert value == pytest.approx(40 / 15)
        assert bound == ""

    def test_a_row_against_itself_is_as_fast(self) -> None:
        assert time_to_quality.speedup(self.BASELINE, self.BASELINE) == (1.0, "")

    def test_a_baseline_that_got_worse_had_its_last_psnr_earlier(self) -> None:
        # its last PSNR, 22 dB, was reached after 10 + 10 · 2 / 4 = 15 s
        worse = curve([10.0, 20.0, 40.0], [20.0, 24.0, 22.0])
        value, _ = time_to_quality.speedup(self.BASELINE, worse)
        assert value == pytest.approx(15 / 20)

    def test_there_at_the_first_point_is_a_lower_bound(self) -> None:
        value, bound = time_to_quality.speedup(curve([10.0, 20.0], [25.0, 26.0]), self.BASELINE)
        assert value == pytest.approx(4.0)
        assert bound == ">"

    def test_never_there(self) -> None:
        value, bound = time_to_quality.speedup(curve([10.0, 40.0], [20.0, 23.9]), self.BASELINE)
        assert math.isnan(value)
        assert bound == "not reached"

    @pytest.mark.parametrize(
        ("own", "baseline"),
        [
            (curve([], []), BASELINE),
            (BASELINE, curve([10.0], [NAN])),
            (BASELINE, curve([10.0, 20.0], [24.0, 22.0])),  # no time is known that it needed
            (curve([0.0], [25.0]), BASELINE),  # made of a model that was trained
        ],
        ids=["no curve", "no PSNR on the baseline's", "baseline there at its first point", "made"],
    )
    def test_curves_that_do_not_say(self, own: pd.DataFrame, baseline: pd.DataFrame) -> None:
        value, bound = time_to_quality.speedup(own, baseline)
        assert math.isnan(value)
        assert bound == ""


class TestSummary:
    def test_a_mean_of_lower_bounds_is_a_lower_bound(self) -> None:
        found = time_to_quality.summarise_speedups([(2.0, ">"), (3.0, ""), (4.0, "")])
        assert found.mean == pytest.approx(24 ** (1 / 3))
        assert (found.bound, found.high) == (">", math.inf)

    def test_one_that_never_arrived_leaves_no_mean(self) -> None:
        found = time_to_quality.summarise_speedups([(2.0, ""), (NAN, "not reached"), (NAN, "")])
        assert (found.n, found.unreached, found.bound) == (2, 1, "not reached")
        assert math.isnan(found.mean)
