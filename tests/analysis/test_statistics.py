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
