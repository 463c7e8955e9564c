"""Equivalence: intervals against margins, worked out by hand, and seeds that decide as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from effbench.analysis.equivalence import LEVEL, Region
from effbench.analysis.statistics import summarise, summarise_ratios

# mean 2, deviation 1; 95 %: 2 ± 4.30265 / √3, or ± 2.48414
THREE = summarise([1.0, 2.0, 3.0])


def test_a_margin_is_a_factor_for_ratios() -> None:
    ratio = Region.around(0.6, 1.2, "ratio")
    assert (ratio.low, ratio.high) == pytest.approx((0.5, 0.72))
    assert Region.around(0.6, 0.2, "difference").low == pytest.approx(0.4)


def test_p_is_the_level_where_the_interval_is_the_margin() -> None:
    exact = Region(THREE.low, THREE.high, "difference")
    assert exact.p_inside(THREE) == pytest.approx(LEVEL)
    assert Region(-9, THREE.high, "difference").p_inside(THREE) == pytest.approx(LEVEL)
    assert Region(THREE.high, 9, "difference").p_outside(THREE) == pytest.approx(LEVEL)
    assert Region(-9, THREE.low, "difference").p_outside(THREE) == pytest.approx(LEVEL)


@pytest.mark.parametrize(
    ("low", "high", "inside", "outside"),
    [
        (-1.0, 5.0, True, False),
        (0.0, 5.0, False, False),  # −0.48 is below
        (5.0, 6.0, False, True),
        (-3.0, -1.0, False, True),
        (4.0, 6.0, False, False),  # 4.48 is within
    ],
)
def test_inside_outside_or_neither(low: float, high: float, inside: bool, outside: bool) -> None:
    region = Region(low, high, "difference")
    assert (region.p_inside(THREE) <= LEVEL) == inside
    assert (region.p_outside(THREE) <= LEVEL) == outside


def test_a_wide_interval_confirms_nothing() -> None:
    wide, narrow = (summarise_ratios([0.56 / k, 0.56, 0.56 * k]) for k in (1.5, 1.01))
    region = Region.around(0.56, 1.2, "ratio")
    assert wide.mean == narrow.mean == pytest.approx(0.56), "the claim's very value"
    assert region.p_inside(wide) > LEVEL
    assert region.p_inside(narrow) <= LEVEL


def test_what_does_not_vary_needs_no_test() -> None:
    same = summarise([0.5, 0.5, 0.5])
    assert Region(0.4, 0.6, "difference").p_inside(same) == 0
    assert Region(0.6, 0.7, "difference").p_outside(same) == 0


@pytest.mark.parametrize("centre", [0.0, 0.4, 1.6])
def test_the_seeds_needed_decide_in_four_of_five_cases(centre: float) -> None:
    rng = np.random.default_rng(0)
    region = Region(-1.0, 1.0, "difference")
    found = summarise(list(centre + np.array([-1.0, 0.0, 1.0])))  # deviation 1
    n = region.seeds_needed(found, LEVEL)
    assert n is not None
    p = region.p_inside if abs(centre) < 1 else region.p_outside
    decided = [p(summarise(list(rng.normal(centre, 1, n)))) <= LEVEL for _ in range(2000)]
    assert np.mean(decided) == pytest.approx(0.8, abs=0.06)  # n is a whole number


def test_an_effect_on_the_margin_cannot_be_decided() -> None:
    assert Region(2.0, 9.0, "difference").seeds_needed(THREE, LEVEL) is None


def test_a_lower_bound_can_only_be_too_high() -> None:
    from dataclasses import replace

    bound = replace(summarise([2.0, 2.01, 2.02]), high=math.inf, bound=">")
    assert Region(1.0, 3.0, "difference").p_inside(bound) == 1
    assert Region(3.0, 4.0, "difference").p_outside(bound) == 1
    assert Region(0.5, 1.0, "difference").p_outside(bound) <= LEVEL
