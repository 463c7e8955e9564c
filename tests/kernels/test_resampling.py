"""Systematic resampling: counts by hand, exact expectations, capped inclusion probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.kernels.resampling import (
    inclusion_probabilities,
    systematic,
    systematic_draws,
)

WEIGHTS = st.lists(st.sampled_from([0.0, 1e-3, 0.3, 1.0, 2.0, 50.0]), min_size=1, max_size=40)
BACKENDS = pytest.mark.parametrize("backend", ["cpu", "reference"])


def counts(expected: torch.Tensor, shift: float, backend: str) -> torch.Tensor:
    """Return how often each sample is drawn, 0 included."""
    kept, times = systematic(expected, torch.tensor(shift, dtype=torch.float64), backend)
    assert (kept.diff() > 0).all()
    assert (times >= 1).all()
    return torch.zeros(len(expected)).index_add(0, kept, times)


@BACKENDS
def test_each_tooth_of_the_comb_draws_the_sample_it_falls_on(backend: str) -> None:
    expected = torch.tensor([0.5, 1.5, 0.0, 1.0])  # on a line: [0, 0.5), [0.5, 2), nothing, [2, 3)
    assert counts(expected, 0.25, backend).tolist() == [1, 1, 0, 1]  # teeth at 0.25, 1.25, 2.25
    assert counts(expected, 0.75, backend).tolist() == [0, 2, 0, 1]  # teeth at 0.75, 1.75, 2.75


@BACKENDS
def test_the_mean_of_a_count_over_all_shifts_is_what_is_expected(backend: str) -> None:
    sixteenths = torch.tensor([1, 0, 3, 16, 7, 0, 40, 2, 11])
    drawn = [counts(sixteenths / 16, (k + 0.5) / 16, backend) for k in range(16)]
    assert torch.stack(drawn).sum(0).tolist() == sixteenths.tolist()


@BACKENDS
@given(weights=WEIGHTS, shift=st.floats(0, 0.999999))
def test_counts_are_expectations_rounded_up_or_down(
    backend: str, weights: list[float], shift: float
) -> None:
    expected = torch.tensor(weights)
    drawn = counts(expected, shift, backend)
    assert (drawn >= expected.floor()).all()
    assert (drawn <= expected.ceil()).all()  # so what expects 0 is never drawn
    total = math.fsum(expected.tolist())
    assert total - 1 - 1e-6 <= drawn.sum() <= total + 1 + 1e-6


@BACKENDS
def test_expectations_of_one_draw_everything_once(backend: str) -> None:
    for shift in (0.0, 0.5, 0.999999):
        assert counts(torch.ones(1000), shift, backend).tolist() == [1] * 1000


def test_numba_draws_what_the_definition_draws() -> None:
    weights = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0)) ** 8
    expected = weights * (50_000 / weights.double().sum())
    fast, slow = (counts(expected, 0.5, backend) for backend in ("cpu", "reference"))
    assert torch.equal(fast, slow)
    assert fast.sum() == pytest.approx(50_000, abs=1)


@BACKENDS
def test_nothing_is_drawn_from_a_nan_on(backend: str) -> None:
    assert counts(torch.tensor([2.0, math.nan, 2.0]), 0.5, backend).tolist() == [2, 0, 0]
    assert counts(torch.full((5,), math.nan), 0.5, backend).tolist() == [0] * 5


@BACKENDS
def test_inclusion_probabilities_are_capped_and_the_rest_shared_out(backend: str) -> None:
    weights = torch.tensor([1.0, 8.0, 4.0, 0.0, 2.0, 1.0])
    # 8 is capped; the others share 2 of 3 places: λ = 2 / 8
    found = inclusion_probabilities(weights, torch.tensor(3.0), backend)
    assert found.tolist() == pytest.approx([0.25, 1, 1, 0, 0.5, 0.25])


@BACKENDS
@pytest.mark.parametrize(
    ("weights", "total", "expected"),
    [
        ([3.0, 0.0, 1.0], 3.0, [1, 0, 1]),  # fewer than three can be drawn
        ([3.0, 2.0, 1.0], 3.0, [1, 1, 1]),
        ([0.0, 0.0], 1.0, [0, 0]),
    ],
)
def test_inclusion_at_the_limits(
    backend: str, weights: list[float], total: float, expected: list[float]
) -> None:
    found = inclusion_probabilities(torch.tensor(weights), torch.tensor(total), backend)
    assert found.tolist() == expected


@BACKENDS
def test_a_nan_stays_a_nan(backend: str) -> None:
    weights = torch.tensor([1.0, math.nan])
    assert inclusion_probabilities(weights, torch.tensor(1.0), backend).isnan().any()


@BACKENDS
def test_inclusion_probabilities_draw_the_total_without_replacement(backend: str) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(10_000, generator=generator).exp() ** 2
    probability = inclusion_probabilities(weights, torch.tensor(1000.0), backend)
    assert probability.double().sum() == pytest.approx(1000, abs=0.01)
    free = probability < 1
    assert 0 < (~free).sum() < 1000
    ratio = probability[free] / weights[free]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
    drawn = counts(probability, 0.3, backend)
    assert drawn.max() == 1
    assert drawn.sum() == pytest.approx(1000, abs=1)
    assert (drawn[~free] == 1).all()


@pytest.mark.parametrize("capacity", [3, 9])
def test_a_capacity_fixes_how_many_are_returned(capacity: int) -> None:
    expected = torch.tensor([0.5, 2.5, 0.0, 1.0, 1.0, 0.75, 0.25])
    shift = torch.tensor(0.25, dtype=torch.float64)
    kept, counts = systematic(expected, shift)
    fixed, times = systematic(expected, shift, capacity=capacity)
    assert 3 < len(kept) < 9
    assert fixed.tolist() == [*kept.tolist(), *[0] * 9][:capacity]
    assert times.tolist() == [*counts.tolist(), *[0] * 9][:capacity]


@pytest.mark.parametrize("capacity", [None, 4, 9])
def test_draws_are_the_counts_written_out(capacity: int | None) -> None:
    expected = torch.tensor([0.0, 0.5, 2.5, 0.0, 1.0, 1.0, 0.75, 0.25, 0.0])
    for shift in (0.0, 0.25, 0.75):
        tooth = torch.tensor(shift, dtype=torch.float64)
        kept, counts = systematic(expected, tooth)
        each = [
            i for i, k in zip(kept.tolist(), counts.tolist(), strict=True) for _ in range(int(k))
        ]
        drawn, filled = systematic_draws(expected, tooth, capacity=capacity)
        assert len(each) == 6
        if capacity is None:
            assert (drawn.tolist(), filled.tolist()) == (each, [1.0] * 6)
        else:
            assert drawn.tolist() == [*each, *[0] * 9][:capacity]
            assert filled.tolist() == [*[1.0] * 6, *[0.0] * 9][:capacity]


def test_with_a_capacity_nothing_is_drawn_where_there_is_a_nan() -> None:
    shift = torch.tensor(0.5, dtype=torch.float64)
    for expected in (torch.tensor([2.0, math.nan, 2.0]), torch.full((5,), math.nan)):
        assert systematic_draws(expected, shift, capacity=4)[1].tolist() == [0.0] * 4
