"""Systematic resampling: counts by hand, exact expectations, capped inclusion probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.kernels.resampling import inclusion_probabilities, systematic

WEIGHTS = st.lists(st.sampled_from([0.0, 1e-3, 0.3, 1.0, 2.0, 50.0]), min_size=1, max_size=40)


def at(shift: float) -> torch.Tensor:
    return torch.tensor(shift, dtype=torch.float64)


def test_each_tooth_of_the_comb_draws_the_sample_it_falls_on() -> None:
    expected = torch.tensor([0.5, 1.5, 0.0, 1.0])  # on a line: [0, 0.5), [0.5, 2), nothing, [2, 3)
    assert systematic(expected, at(0.25)).tolist() == [1, 1, 0, 1]  # teeth at 0.25, 1.25, 2.25
    assert systematic(expected, at(0.75)).tolist() == [0, 2, 0, 1]  # teeth at 0.75, 1.75, 2.75


def test_the_mean_of_a_count_over_all_shifts_is_what_is_expected() -> None:
    sixteenths = torch.tensor([1, 0, 3, 16, 7, 0, 40, 2, 11])
    expected = sixteenths / 16
    counts = torch.stack([systematic(expected, at((k + 0.5) / 16)) for k in range(16)])
    assert counts.sum(0).tolist() == sixteenths.tolist()


@given(WEIGHTS, st.floats(0, 0.999999))
def test_counts_are_expectations_rounded_up_or_down(weights: list[float], shift: float) -> None:
    expected = torch.tensor(weights)
    counts = systematic(expected, at(shift))
    assert (counts >= expected.double().floor()).all()
    assert (counts <= expected.double().ceil()).all()  # so what expects 0 is never drawn
    total = math.fsum(expected.tolist())
    assert total - 1 - 1e-9 <= counts.sum() <= total + 1 + 1e-9


def test_expectations_of_one_draw_everything_once() -> None:
    for shift in (0.0, 0.5, 0.999999):
        assert systematic(torch.ones(1000), at(shift)).tolist() == [1] * 1000


def test_a_million_samples_are_drawn_as_often_as_they_are_to_be() -> None:
    weights = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0))
    counts = systematic(weights * (50_000 / weights.double().sum()), at(0.5))
    assert counts.sum() == pytest.approx(50_000, abs=1)


def test_nothing_is_drawn_from_a_nan_on() -> None:
    counts = systematic(torch.tensor([2.0, math.nan, 2.0]), at(0.5))
    assert (counts > 0).tolist() == [True, False, False]


def test_inclusion_probabilities_are_capped_and_the_rest_shared_out() -> None:
    weights = torch.tensor([1.0, 8.0, 4.0, 0.0, 2.0, 1.0])
    # 8 is capped; the others share 2 of 3 places: λ = 2 / 8
    found = inclusion_probabilities(weights, torch.tensor(3.0))
    assert found.tolist() == pytest.approx([0.25, 1, 1, 0, 0.5, 0.25])


@pytest.mark.parametrize(
    ("weights", "total", "expected"),
    [
        ([3.0, 0.0, 1.0], 3.0, [1, 0, 1]),  # fewer than three can be drawn
        ([3.0, 2.0, 1.0], 3.0, [1, 1, 1]),
        ([0.0, 0.0], 1.0, [0, 0]),
        ([math.nan, math.nan], 1.0, [0, 0]),
    ],
)
def test_inclusion_at_the_limits(weights: list[float], total: float, expected: list[float]) -> None:
    found = inclusion_probabilities(torch.tensor(weights), torch.tensor(total))
    assert found.tolist() == expected


def test_inclusion_probabilities_draw_the_total_without_replacement() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(10_000, generator=generator).exp() ** 2
    total = torch.tensor(1000.0)
    probability = inclusion_probabilities(weights, total)
    assert probability.double().sum() == pytest.approx(1000, abs=0.01)
    free = probability < 1
    ratio = probability[free] / weights[free]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
    counts = systematic(probability, at(0.3))
    assert counts.max() == 1
    assert counts.sum() == pytest.approx(1000, abs=1)
    assert (counts[~free] == 1).all()
