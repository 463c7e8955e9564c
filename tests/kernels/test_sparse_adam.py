"""Sparse Adam: value by value as it is defined, Adam itself where every value has a gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from effbench.kernels.sparse_adam import corrections, sparse_adam

BETAS, EPS, LR = (0.9, 0.99), 1e-15, 0.03
STEPS, SIZE = 60, 40_000  # more than one task of the kernel


def gradients(share: float) -> list[Tensor]:
    """Return the gradients of some steps, in which a value has one with the odds `share`."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(STEPS, SIZE, generator=generator)
    return list(drawn * (torch.rand(STEPS, SIZE, generator=generator) < share))


def trained(grads: list[Tensor], backend: str) -> tuple[Tensor, Tensor]:
    """Return the values and their steps."""
    values, mean, square = torch.ones(SIZE), torch.zeros(SIZE), torch.zeros(SIZE)
    steps, factors = torch.zeros(SIZE, dtype=torch.int32), corrections(BETAS)
    for grad in grads:
        sparse_adam(values, grad, mean, square, steps, factors, LR, BETAS, EPS, backend)
    return values, steps


def one_value(grads: list[float]) -> float:
    """Return what a single value becomes, in plain numbers."""
    x, m, v, t = 1.0, 0.0, 0.0, 0
    for g in grads:
        if g == 0:
            continue
        t += 1
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g * g
        rate = LR * math.sqrt(1 - BETAS[1] ** t) / (1 - BETAS[0] ** t)
        x -= rate * m / (math.sqrt(v) + EPS)
    return x


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_value_moves_only_in_its_own_steps(backend: str) -> None:
    grads = gradients(0.2)
    values, steps = trained(grads, backend)
    assert torch.equal(steps, (torch.stack(grads) != 0).sum(0).int())
    for i in (0, 1, 2, 16_383, 16_384, SIZE - 1):
        expected = one_value([float(grad[i]) for grad in grads])
        assert float(values[i]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_it_is_adam_where_every_value_has_a_gradient_and_not_elsewhere(backend: str) -> None:
    for share, same in ((1.0, True), (0.2, False)):
        weight = torch.ones(SIZE, requires_grad=True)
        adam = torch.optim.Adam([weight], lr=LR, betas=BETAS, eps=EPS)
        for grad in gradients(share):
            weight.grad = grad.clone()
            adam.step()
        far = float((trained(gradients(share), backend)[0] - weight.detach()).abs().max())
        assert (far < 1e-4) == same


def test_a_gradient_that_is_not_finite_shows() -> None:
    for backend in ("cpu", "reference"):
        values, _ = trained([torch.full((SIZE,), math.nan)], backend)
        assert values.isnan().all()


def test_corrections_end_where_they_are_1() -> None:
    factors = corrections(BETAS)
    assert factors[0] == 0
    assert float(factors[1]) == pytest.approx(0.1 / 0.1)  # √0.01 / 0.1
    assert float(factors[2]) == pytest.approx(math.sqrt(1 - 0.99**2) / (1 - 0.81))
    assert factors[-1] == 1
    assert factors[-200] != 1
