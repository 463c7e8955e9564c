"""From encoded samples to the colours of their rays: both networks of a hash field and volume
rendering as one operation, for a step that differentiates through all of it.

The definition is what its parts are elsewhere: `mlp`, `activations`, `volume_rendering`. Made one,
nothing of a sample but its encoding is kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effbench.kernels.activations import density_head
from effbench.kernels.backends import resolve
from effbench.kernels.mlp import WIDEST, mlp_reference
from effbench.kernels.samples import ray_of_slot
from effbench.kernels.volume_rendering import composite_reference


def shade(
    encoded: Tensor,
    directions: Tensor,
    deltas: Tensor,
    offsets: Tensor,
    background: Tensor,
    density: Sequence[Tensor],
    color: Sequence[Tensor],
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Return the colour [R, 3] of rays over `background` [R, 3], and the optical depth [N] of their
    samples, which has no gradient.

    encoded: float32 [N, E], ray after ray; directions: float32 [R, 16], spherical harmonics;
    deltas: float32 [N]; offsets: int64 [R + 1]; density, color: matrices as
    `ray_rendering.HashNetworks` has them. Differentiable in `encoded`, `background` and the
    matrices. Computed in float32.
    """
    if resolve(backend, encoded.device) != "cpu":
        return shade_reference(encoded, directions, deltas, offsets, background, density, color)
    return _Shade.apply(encoded, directions, deltas, offsets, background, *density, *color)  # type: ignore[no-any-return, no-untyped-call]


def why_not_whole(weights: Sequence[Tensor], device: torch.device, backend: str = "auto") -> str:
    """Return why there is no kernel for networks of these matrices; "" if there is."""
    if (chosen := resolve(backend, device)) != "cpu":
        return f"backend {chosen}"
    widest = max(max(weight.shape) for weight in weights)
    return f"{widest} wide" if widest > WIDEST else ""


def shade_reference(
    encoded: Tensor,
    directions: Tensor,
    deltas: Tensor,
    offsets: Tensor,
    background: Tensor,
    density: Sequence[Tensor],
    color: Sequence[Tensor],
) -> tuple[Tensor, Tensor]:
    """The definition in eager torch, in the type of its inputs."""
    found, geometry = density_head(mlp_reference(encoded, density), "reference")
    rays = ray_of_slot(offsets, len(encoded))
    inputs = torch.cat([directions[rays], geometry], 1)
    shades = torch.sigmoid(mlp_reference(inputs, color))
    optical_depth = found * deltas
    pixels, _ = composite_reference(optical_depth, shades, offsets, background)
    return pixels, optical_depth.detach()


class _Shade(torch.autograd.Function):
    """The kernel as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any,
        encoded: Tensor,
        directions: Tensor,
        deltas: Tensor,
        offsets: Tensor,
        background: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        from effbench.kernels.cpu import shading as cpu

        along = (encoded, directions, deltas, offsets, background)
        given = [x.detach().contiguous() for x in along]
        matrices = [weight.detach().numpy() for weight in weights]
        arrays: list[Any] = [*(x.numpy() for x in given), matrices]
        color, opacity, optical_depth = map(torch.from_numpy, cpu.forward(*arrays))
        ctx.save_for_backward(*given, opacity, *weights)
        ctx.mark_non_differentiable(optical_depth)
        return color, optical_depth

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from effbench.kernels.cpu import shading as cpu

        *given, opacity = ctx.saved_tensors[:6]
        matrices = [weight.detach().numpy() for weight in ctx.saved_tensors[6:]]
        grad = grads[0].contiguous()
        arrays: list[Any] = [*(x.numpy() for x in (*given, grad)), matrices]
        d_encoded, d_weights = cpu.backward(*arrays)
        d_background = (1 - opacity)[:, None] * grad if ctx.needs_input_grad[4] else None
        made = [torch.from_numpy(np.ascontiguousarray(each)) for each in d_weights]
        return torch.from_numpy(d_encoded), None, None, None, d_background, *made
