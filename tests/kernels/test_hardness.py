"""How hard samples are, and how many of them that makes worth drawing."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.hardness import Spread, follow, hardness, skewness, weigh

AT_ONCE = Spread(rate=1.0, exponent=1.0, least=0.0)


def single(value: float) -> torch.Tensor:
    """Return the values of a hundred samples, one of which has one."""
    return torch.zeros(100).index_fill(0, torch.tensor([7]), value)


def test_tau_is_1_for_equal_gradients_and_root_b_for_a_single_one() -> None:
    equal = hardness(torch.ones(100), torch.ones(100, 3))
    one = hardness(single(3.0), torch.zeros(100, 3))
    assert equal.tolist() == pytest.approx([1] * 100)
    assert one[7] == pytest.approx(100)
    for hard, tau in ((equal, 1), (one, 10)):
        mean_tau = torch.ones(())
        assert float(follow(hard, None, mean_tau, AT_ONCE)) == pytest.approx(1 / tau)
        assert float(mean_tau) == pytest.approx(tau)


def test_the_running_mean_moves_by_its_rate() -> None:
    mean_tau = torch.ones(())
    for expected in (0.9 + 0.1 * 10, 0.9 * 1.9 + 0.1 * 10):
        follow(single(100.0), None, mean_tau, Spread(0.1, 1.0, 0.0))  # τ = 10
        assert float(mean_tau) == pytest.approx(expected)


@pytest.mark.parametrize(("exponent", "drawn"), [(0, 1), (1, 0.1), (2, 0.01)])
def test_the_exponent_and_the_floor_set_how_many_are_drawn(exponent: float, drawn: float) -> None:
    for least in (0.0, 0.25):
        found = follow(single(100.0), None, torch.ones(()), Spread(1.0, exponent, least))
        assert float(found) == pytest.approx(max(drawn, least))


def test_skewness_is_the_third_standardised_moment() -> None:
    # one of ten is 1, the rest 0: (1 − 2q) / √(q·(1 − q)) with q = 1/10
    values = torch.zeros(10).index_fill(0, torch.tensor([3]), 1.0)
    assert float(skewness(values)) == pytest.approx(0.8 / 0.3)
    assert float(skewness(-values)) == pytest.approx(-0.8 / 0.3)
    assert float(skewness(torch.ones(10))) == 0


def test_a_tail_of_zeros_counts_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = torch.rand(50, generator=generator), torch.rand(50, 3, generator=generator)
    longer = torch.cat([gradients[0], torch.zeros(7)]), torch.cat([gradients[1], torch.zeros(7, 3)])
    alone = weigh(*gradients, None, torch.ones(()), AT_ONCE)
    padded = weigh(*longer, torch.tensor(50), torch.ones(()), AT_ONCE)
    torch.testing.assert_close(padded.hard[:50], alone.hard)
    assert not padded.hard[50:].any()
    for name in ("fraction", "inv_tau", "skewness", "nothing"):
        torch.testing.assert_close(getattr(padded, name), getattr(alone, name))


def test_a_gradient_that_is_not_finite_is_told_then_and_later() -> None:
    mean_tau = torch.ones(())
    first = weigh(single(math.inf), torch.zeros(100, 3), None, mean_tau, AT_ONCE)
    later = weigh(single(1.0), torch.zeros(100, 3), None, mean_tau, Spread(0.1, 1.0, 0.0))
    assert first.nothing.isnan()
    assert later.nothing.isnan()
    fine = weigh(single(1.0), torch.zeros(100, 3), None, torch.ones(()), AT_ONCE)
    assert float(fine.nothing) == 0
