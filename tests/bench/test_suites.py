"""A method is seldom called different from itself, and half a decibel is found as is stated."""

from __future__ import annotations

import pytest

from bench import suites


def test_a_method_under_two_names_is_called_different_at_the_level() -> None:
    found = suites.measure(3, 200)
    chance = 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5  # of 200 suites: two standard errors
    assert found.twin_marked <= chance
    assert found.twin_compared <= chance
    # of 200 suites: three standard errors
    error = (found.expected * (1 - found.expected) / 200) ** 0.5
    assert found.better_alone == pytest.approx(found.expected, abs=3 * error + 0.005)
    assert found.better_marked <= found.better_alone, "after Holm less is found"
