"""Means and their intervals: every figure worked out by hand."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from effbench.analysis import statistics


class TestSummary:
    def test_mean_sample_deviation_and_the_interval_of_students_t(self) -> None:
        found = statistics.summarise([1.0, 2.0, 3.0])
        assert (found.n, found.mean, found.std) == (3, 2.0, 1.0)
        # t(97.5 %, 2 degrees of freedom) = 4.30265
        assert found.low == pytest.approx(2 - 4.30265 / 3**0.5, abs=1e-4)
        assert found.high == pytest.approx(2 + 4.30265 / 3**0.5, abs=1e-4)

    def test_one_value_has_neither_deviation_nor_interval(self) -> None:
        found = statistics.summarise([1.5])
        assert (found.n, found.mean) == (1, 1.5)
        assert all(math.isnan(x) for x in (found.std, found.low, found.high))

    def test_no_value_has_no_mean(self) -> None:
        found = statistics.summarise([])
        assert found.n == 0
        assert math.isnan(found.mean)


class TestRatios:
    def test_twice_and_half_cancel_and_the_interval_is_of_the_logarithm(self) -> None:
        found = statistics.summarise_ratios([0.5, 1.0, 2.0])
        assert found.n == 3
        assert found.mean == pytest.approx(1.0)
        # logarithms −0.6931, 0 and 0.6931: deviation 0.6931, t = 4.30265
        half = 4.30265 * math.log(2) / 3**0.5
        assert found.high == pytest.approx(math.exp(half), rel=1e-4)
        assert found.low * found.high == pytest.approx(1.0)

    def test_what_does_not_vary_has_an_interval_of_no_width(self) -> None:
        found = statistics.summarise_ratios([0.1 + 0.2, 0.3, 0.3])  # equal but for rounding
        assert found.low == found.mean == found.high == pytest.approx(0.3)
        assert found.se == 0


class TestUnpaired:
    def test_by_welch_as_scipy_has_it(self) -> None:
        own, other = [4.0, 6.0, 11.0, 3.0], [1.0, 2.0, 2.5]
        found = statistics.summarise_unpaired(own, other, ratio=False)
        test = stats.ttest_ind(own, other, equal_var=False)
        expected = test.confidence_interval(0.95)
        assert found.mean == pytest.approx(6 - 5.5 / 3)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert (found.n, found.test) == (3, "unpaired")

    def test_a_ratio_is_of_geometric_means(self) -> None:
        found = statistics.summarise_unpaired([2.0, 8.0], [1.0, 1.0], ratio=True)
        assert found.mean == pytest.approx(4.0)
        # log 2 and log 8: standard error log 2, one degree of freedom, t = 12.7062
        assert found.high == pytest.approx(4 * 2**12.7062, rel=1e-4)

    def test_one_value_on_a_side_has_no_interval(self) -> None:
        found = statistics.summarise_unpaired([2.0], [1.0, 3.0], ratio=False)
        assert (found.n, found.mean) == (1, 0.0)
        assert math.isnan(found.low)
