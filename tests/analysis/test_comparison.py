"""Comparisons of paired repetitions: every figure worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from effbench.analysis import comparison
from effbench.analysis.comparison import MEASURES, Bound

NAN = math.nan


def cells(name: str, psnr: list[float], iter_ms: list[float]) -> pd.DataFrame:
    """Return a row's cells, repetitions from 0; NaN: a figure that was not measured."""
    return pd.DataFrame(
        {
            "cell": [f"{name}{i}" for i in range(len(psnr))],
            "repetition": range(len(psnr)),
            "psnr": psnr,
            "iter_ms": iter_ms,
            "saved_mb": [10.0] * len(psnr),
        }
    )


def curve(times: list[float], psnr: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"train_s": times, "psnr": psnr})


class TestPairs:
    def test_repetitions_are_joined_and_those_of_one_side_alone_left_out(self) -> None:
        own = cells("a", [21.0, 22.0, 23.0], [5.0, 6.0, 7.0]).iloc[[2, 0]]
        other = cells("b", [20.0, 20.5], [10.0, 10.0])
        pairs = comparison.pair(own, other)
        assert list(zip(pairs["cell"], pairs["cell_baseline"], strict=True)) == [("a0", "b0")]
        assert list(comparison.differences(pairs, "psnr")) == [1.0]
        assert list(comparison.ratios(pairs, "iter_ms")) == [0.5]

    def test_pairs_without_a_figure_or_with_nothing_to_divide_by_are_left_out(self) -> None:
        own = cells("a", [21.0, NAN, 23.0], [5.0, 6.0, 7.0])
        pairs = comparison.pair(own, cells("b", [20.0, 20.0, 20.0], [10.0, NAN, 0.0]))
        assert list(comparison.differences(pairs, "psnr")) == [1.0, 3.0]
        assert list(comparison.ratios(pairs, "iter_ms")) == [0.5]

    def test_nothing_in_common_is_no_pair(self) -> None:
        nothing = cells("a", [], [])
        assert comparison.pair(nothing, cells("b", [20.0], [1.0])).empty


class TestSummary:
    def test_mean_sample_deviation_and_the_interval_of_students_t(self) -> None:
        found = comparison.summarise([1.0, 2.0, 3.0])
        assert (found.n, found.mean, found.std) == (3, 2.0, 1.0)
        # t(97.5 %, 2 degrees of freedom) = 4.30265
        assert found.low == pytest.approx(2 - 4.30265 / 3**0.5, abs=1e-4)
        assert found.high == pytest.approx(2 + 4.30265 / 3**0.5, abs=1e-4)

    def test_one_value_has_neither_deviation_nor_interval(self) -> None:
        found = comparison.summarise([1.5])
        assert (found.n, found.mean) == (1, 1.5)
        assert all(math.isnan(x) for x in (found.std, found.low, found.high))

    def test_no_value_has_no_mean(self) -> None:
        found = comparison.summarise([])
        assert found.n == 0
        assert math.isnan(found.mean)

    def test_a_mean_of_lower_bounds_is_a_lower_bound(self) -> None:
        found = comparison.summarise_speedups([(2.0, ">"), (3.0, ""), (4.0, "")])
        assert (found.mean, found.bound, found.high) == (3.0, ">", math.inf)

    def test_one_that_never_arrived_leaves_no_mean(self) -> None:
        found = comparison.summarise_speedups([(2.0, ""), (NAN, "not reached"), (NAN, "")])
        assert (found.n, found.unreached, found.bound) == (2, 1, "not reached")
        assert math.isnan(found.mean)


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
    time, found = comparison.time_to_reach(times, values, target)
    assert time == pytest.approx(expected, nan_ok=True)
    assert found == bound


class TestSpeedup:
    BASELINE = curve([10.0, 20.0, 40.0], [20.0, 22.0, 24.0])

    def test_both_reach_the_baselines_last_psnr(self) -> None:
        # 24 dB: the baseline after 40 s, the other half-way between 10 s (23 dB) and 20 s (25 dB)
        fast = curve([10.0, 20.0], [23.0, 25.0])
        value, bound = comparison.speedup(fast, self.BASELINE)
        assert value == pytest.approx(40 / 15)
        assert bound == ""

    def test_a_row_against_itself_is_as_fast(self) -> None:
        assert comparison.speedup(self.BASELINE, self.BASELINE) == (1.0, "")

    def test_a_baseline_that_got_worse_had_its_last_psnr_earlier(self) -> None:
        # its last PSNR, 22 dB, was reached after 10 + 10 · 2 / 4 = 15 s
        worse = curve([10.0, 20.0, 40.0], [20.0, 24.0, 22.0])
        value, _ = comparison.speedup(self.BASELINE, worse)
        assert value == pytest.approx(15 / 20)

    def test_there_at_the_first_point_is_a_lower_bound(self) -> None:
        value, bound = comparison.speedup(curve([10.0, 20.0], [25.0, 26.0]), self.BASELINE)
        assert value == pytest.approx(4.0)
        assert bound == ">"

    def test_never_there(self) -> None:
        value, bound = comparison.speedup(curve([10.0, 40.0], [20.0, 23.9]), self.BASELINE)
        assert math.isnan(value)
        assert bound == "not reached"

    @pytest.mark.parametrize(
        ("own", "baseline"),
        [
            (curve([], []), BASELINE),
            (BASELINE, curve([10.0], [NAN])),
            (BASELINE, curve([10.0, 20.0], [24.0, 22.0])),  # no time is known that it needed
        ],
        ids=["no curve", "no PSNR on the baseline's", "baseline there at its first point"],
    )
    def test_curves_that_do_not_say(self, own: pd.DataFrame, baseline: pd.DataFrame) -> None:
        value, bound = comparison.speedup(own, baseline)
        assert math.isnan(value)
        assert bound == ""


def test_all_measures_of_a_row_against_a_baseline() -> None:
    own = cells("a", [21.0, 23.0], [5.0, 6.0])
    other = cells("b", [20.0, 20.0], [10.0, 10.0])
    curves = pd.concat(
        [
            curve([10.0, 20.0], [10.0, 20.0]).assign(cell=name)
            if name.startswith("b")
            else curve([5.0, 10.0], [10.0, 20.0]).assign(cell=name)
            for name in ("a0", "a1", "b0", "b1")
        ]
    )
    found = comparison.compare(own, other, curves)
    assert list(found) == list(MEASURES)
    assert {name: summary.mean for name, summary in found.items()} == pytest.approx(
        {"iter_ratio": 0.55, "saved_ratio": 1.0, "psnr_gain": 2.0, "speedup": 2.0}
    )
    assert {summary.n for summary in found.values()} == {2}


def test_without_curves_there_is_no_speedup_but_everything_else() -> None:
    own, other = cells("a", [21.0], [5.0]), cells("b", [20.0], [10.0])
    found = comparison.compare(own, other, pd.DataFrame(columns=["cell", "train_s", "psnr"]))
    assert {name: summary.n for name, summary in found.items()} == {
        "iter_ratio": 1,
        "saved_ratio": 1,
        "psnr_gain": 1,
        "speedup": 0,
    }
