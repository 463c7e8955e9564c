"""Adam that leaves alone what has no gradient (tiny-cuda-nn's, for entries of hash tables).

Notation: g gradient, m and v moving averages of it and of its square, t the steps of one value:
those in which it had a gradient. Only there

    m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²,  x ← x − lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m/(√v + ε);

elsewhere x, m, v and t stay. (Adam itself moves a value on by its averages, and lets these decay.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effbench.kernels.backends import resolve

_SPENT = 25 * math.log(2)  # βᵗ below 2⁻²⁵ is nothing beside 1 in float32


def corrections(betas: tuple[float, float]) -> Tensor:
    """Return √(1 − β₂ᵗ)/(1 − β₁ᵗ) for t = 0, 1, …, float32 [T], until it stays 1; for 0 a 0."""
    slowest = max(*betas, 1e-3)
    t = torch.arange(1, 2 + math.ceil(_SPENT / -math.log(slowest)), dtype=torch.float64)
    factors = (1 - betas[1] ** t).sqrt() / (1 - betas[0] ** t)
    return torch.cat([factors.new_zeros(1), factors]).float()


def sparse_adam(
    values: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    steps: Tensor,
    factors: Tensor,
    lr: float | Tensor,
    betas: tuple[float, float],
    eps: float,
    backend: str = "auto",
) -> None:
    """Do one step, in place.

    values, grad, mean, square: float32 of one shape, contiguous; steps: int32 of that shape, t;
    factors: `corrections(betas)` on the device; lr: a number, or float32 0-d on the device, which
    nothing is then read from. On a GPU by torch's operations, over all values.
    """
    if resolve(backend, values.device) == "cpu":
        from effbench.kernels.cpu import sparse_adam as cpu

        x, g, m, v, t = (
            tensor.detach().view(-1).numpy()
            for tensor in (values, grad.contiguous(), mean, square, steps)
        )
        cpu.step(x, g, m, v, t, factors.numpy(), (float(lr), *betas, eps))
        return
    touched = grad != 0
    mean.copy_(torch.where(touched, torch.lerp(mean, grad, 1 - betas[0]), mean))
    square.copy_(torch.where(touched, torch.lerp(square, grad.square(), 1 - betas[1]), square))
    steps += touched
    factor = factors[steps.clamp_max(len(factors) - 1).long()]
    change = factor * lr * mean / (square.sqrt() + eps)
    values -= torch.where(touched, change, 0)
