"""How hard samples are to learn from (Korhonen et al. 2024, Algorithm 1).

Notation: B samples; g_i = ∂L/∂a'_i, a sample's gradient by the four outputs of its networks;
G_i = ‖g_i‖₂; p = G / ΣG; hardness h = B·p, with mean 1; τ = √mean(h²), τ̂ its running mean; b the
samples to draw, b / B = 1 / τ̂^e.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.kernels.backends import resolve

TINY = 1e-20  # keeps 0 / 0 away where no sample has a gradient; its powers are normal numbers


@dataclass(frozen=True)
class Spread:
    """How τ̂ follows τ and b follows τ̂. rate: of the running mean; exponent: e; least: b / B."""

    rate: float
    exponent: float
    least: float


@dataclass(frozen=True)
class Weighed:
    """hard: h, float32 [N]; the others 0-d: fraction, b / B; inv_tau, 1 / τ̂; skewness, of h;
    nothing, 0 or, once τ̂ is not finite, NaN."""

    hard: Tensor
    fraction: Tensor
    inv_tau: Tensor
    skewness: Tensor
    nothing: Tensor


def weigh(
    d_log_density: Tensor,
    d_logits: Tensor,
    count: Tensor | None,
    mean_tau: Tensor,
    spread: Spread,
    backend: str = "auto",
) -> Weighed:
    """Weigh samples by their gradients [N] and [N, 3], and bring `mean_tau` (τ̂, 0-d) up to date in
    place: a recorded step knows it by its address.

    count: B (int64 0-d), where the gradients have a tail of zeros behind the samples'.
    """
    if count is None or resolve(backend, mean_tau.device) != "triton":
        return weigh_reference(d_log_density, d_logits, count, mean_tau, spread)
    from effbench.kernels.gpu import hardness as gpu

    gradients = d_log_density.contiguous(), d_logits.contiguous()
    how = (spread.rate, spread.exponent, spread.least, TINY)
    norms, numbers = gpu.weigh(*gradients, count, mean_tau, *how)
    mean, *others = numbers.unbind(0)
    return Weighed(norms / mean, *others)


def weigh_reference(
    d_log_density: Tensor,
    d_logits: Tensor,
    count: Tensor | None,
    mean_tau: Tensor,
    spread: Spread,
) -> Weighed:
    """The definition in eager torch."""
    hard = hardness(d_log_density, d_logits, count)
    fraction = follow(hard, count, mean_tau, spread)
    return Weighed(hard, fraction, 1 / mean_tau, skewness(hard, count), mean_tau - mean_tau)


def hardness(d_log_density: Tensor, d_logits: Tensor, count: Tensor | None = None) -> Tensor:
    """Return B·p [B] of gradients [B] and [B, 3]: 0 if all of them are 0, with a NaN if one is not
    finite. count: B (0-d) where the gradients have a tail of zeros behind the samples'."""
    # a product with ones: sums along a short last axis are slow on a CPU
    norms = (d_log_density.square() + d_logits.square() @ d_logits.new_ones(3)).sqrt()
    return norms / _mean(norms, count).clamp_min(TINY)


def follow(hard: Tensor, count: Tensor | None, mean_tau: Tensor, spread: Spread) -> Tensor:
    """Update τ̂ by hardness [B] and return the fraction b / B to draw."""
    # τ is below 1 only where no sample has a gradient
    tau = _mean(hard.square(), count).sqrt().clamp_min(1)
    mean_tau.lerp_(tau, spread.rate)
    return mean_tau.pow(-spread.exponent).clamp_min(spread.least)


def skewness(values: Tensor, count: Tensor | None = None) -> Tensor:
    """Return the third standardised moment of values [N], the first `count` (0-d) of them if that
    is given; 0 where they are all the same."""
    deviations = values - _mean(values, count)
    if count is not None:
        tail = torch.arange(len(values), device=values.device) >= count
        deviations = deviations.masked_fill(tail, 0)
    squares = deviations.square()
    third = (squares @ deviations) / (len(values) if count is None else count.clamp_min(1))
    return third / _mean(squares, count).clamp_min(TINY).pow(1.5)


def _mean(values: Tensor, count: Tensor | None) -> Tensor:
    """Return the mean of values [N], or of the first `count` where the others are zeros."""
    return values.mean() if count is None else values.sum() / count.clamp_min(1)
