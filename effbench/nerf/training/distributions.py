"""What training looks like inside: how losses and weights are distributed, and one ray.

Notation as in `effbench.kernels.volume_rendering`: N samples of R rays, optical depth τ_i,
weights w_i, colours c_i.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from effbench.kernels.volume_rendering import composite
from effbench.nerf.fields import RadianceField
from effbench.nerf.training.learning import Batch, Loss, evaluate

Row = dict[str, Any]

_DECADES = 8  # pixel losses and weights lie in [0, 1]; what is below 10^-8 is in the first bin
_BINS_PER_DECADE = 5


def log_edges() -> Tensor:
    """Return the edges of the histograms' bins: 0, then equal steps of the logarithm up to 1."""
    exponents = torch.linspace(-_DECADES, 0, _DECADES * _BINS_PER_DECADE + 1, dtype=torch.float64)
    return torch.cat([exponents.new_zeros(1), 10**exponents])


def histogram(values: Tensor, edges: Tensor) -> list[Row]:
    """Return bin_left, bin_right and density per bin of values [N], which sum to 1 with their
    widths; the outer bins also hold what lies beyond them. Without values there are no rows."""
    if not len(values):
        return []
    inner = edges[1:-1].to(values)
    counts = torch.bincount(torch.bucketize(values, inner, right=True), minlength=len(edges) - 1)
    density = counts.cpu() / len(values) / edges.diff()
    return [
        {"bin_left": left, "bin_right": right, "density": value}
        for left, right, value in zip(
            edges[:-1].tolist(), edges[1:].tolist(), density.tolist(), strict=True
        )
    ]


def distributions(
    field: RadianceField, batch: Batch, loss: Callable[[Tensor, Tensor], Tensor], backend: str
) -> list[Row]:
    """Return histograms of the batch's pixel losses and rendering weights: quantity, then as
    `histogram`. loss: per ray, from colours and targets [R, 3] to [R]."""
    with torch.no_grad():
        optical_depth, color = _evaluate(field, batch)
        offsets = batch.placed.samples.offsets
        pixels = composite(optical_depth, color, offsets, batch.background, backend)[0]
        losses = loss(pixels, batch.target)
    quantities = {
        "pixel_loss": losses,
        "sample_weight": rendering_weights(optical_depth, offsets, backend),
    }
    return [
        {"quantity": name, **row}
        for name, values in quantities.items()
        for row in histogram(values, log_edges())
    ]


def ray_profile(field: RadianceField, batch: Batch, loss: Loss, backend: str) -> list[Row]:
    """Return a row per sample of a batch: t (in unit cubes along the ray), its weight, the norm of
    the loss's gradient, and its colour as red, green, blue in [0, 1].

    The gradient is taken with respect to the network's outputs before their activations, (colour,
    density): the importance G_i of hard sample mining (Korhonen et al. 2024, Algorithm 1).
    """
    samples = batch.placed.samples
    if not len(samples):
        return []
    with torch.no_grad():
        optical_depth, color = _evaluate(field, batch)
    weights = rendering_weights(optical_depth, samples.offsets, backend)
    norms = gradient_norms(optical_depth, color, batch, loss, backend)
    columns = torch.column_stack([samples.t, weights, norms, color]).tolist()
    names = ("t", "weight", "gradient_norm", "red", "green", "blue")
    return [dict(zip(names, row, strict=True)) for row in columns]


def rendering_weights(optical_depth: Tensor, offsets: Tensor, backend: str) -> Tensor:
    """Return w_i [N] of optical_depth [N]: what the pixel's colour changes by with the sample's."""
    colors = optical_depth.new_zeros(len(optical_depth), 3).requires_grad_()
    black = optical_depth.new_zeros(len(offsets) - 1, 3)
    red = composite(optical_depth, colors, offsets, black, backend)[0][:, 0]
    return torch.autograd.grad(red.sum(), colors)[0][:, 0].contiguous()


def gradient_norms(
    optical_depth: Tensor, color: Tensor, batch: Batch, loss: Loss, backend: str
) -> Tensor:
    """Return ‖∂L/∂(logit c_i, log σ_i)‖₂ [N] through rendering alone.

    An exponential and a sigmoid, which the built-in fields have for density and colour, have
    these as their inputs: ∂L/∂log σ = τ·∂L/∂τ and ∂L/∂logit c = c(1 − c)·∂L/∂c.
    """
    optical_depth, color = optical_depth.detach().requires_grad_(), color.detach().requires_grad_()
    offsets = batch.placed.samples.offsets
    pixels = composite(optical_depth, color, offsets, batch.background, backend)[0]
    d_optical_depth, d_color = torch.autograd.grad(
        loss(pixels, batch.target), (optical_depth, color)
    )
    with torch.no_grad():
        by_color = (d_color * color * (1 - color)).square().sum(1)
        return (by_color + (d_optical_depth * optical_depth).square()).sqrt()


def _evaluate(field: RadianceField, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return optical depth [N] and colour [N, 3] of a batch's samples."""
    if not len(batch.placed.samples):  # a network is not asked about nothing
        empty = batch.target.new_zeros(0, 3)
        return empty[:, 0], empty
    density, color = evaluate(field, batch)
    return density * batch.placed.samples.deltas, color
