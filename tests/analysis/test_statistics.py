"""Means and their intervals: every figure worked out by hand."""

from __future__ import annotations

import math

import pytest

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


def test_ratios_are_averaged_by_their_logarithms() -> None:
    found = statistics.summarise_ratios([0.5, 2.0])
    assert found.mean == pytest.approx(1.0)
    # logarithms ± 0.6931: deviation 0.9803; t(0.975, 1) = 12.7062
    assert found.high == pytest.approx(math.exp(12.7062 * 0.98026 / math.sqrt(2)), rel=1e-3)
    assert found.low == pytest.approx(1 / found.high)
    same = statistics.summarise_ratios([0.6, 0.6, 0.6])
    assert (same.low, same.high) == pytest.approx((0.6, 0.6))


def test_independent_samples_are_compared_by_welch() -> None:
    """Hand-computed: means 2 and 5, variances 1 and 4, three and four values."""
    own, other = [1.0, 2.0, 3.0], [3.0, 4.0, 6.0, 7.0]
    found = statistics.summarise_unpaired(own, other, ratio=False)
    assert found.mean == pytest.approx(-3.0)
    variance = 10 / 3
    se = math.sqrt(1 / 3 + variance / 4)
    assert found.se == pytest.approx(se)
    df = (1 / 3 + variance / 4) ** 2 / ((1 / 3) ** 2 / 2 + (variance / 4) ** 2 / 3)
    assert found.df == pytest.approx(df)
    assert (found.n, found.test) == (3, "Welch")
    ratio = statistics.summarise_unpaired([2.0, 2.0], [4.0, 4.0], ratio=True)
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))
