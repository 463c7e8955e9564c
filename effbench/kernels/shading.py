"""From encoded samples to the loss of their pixels: both networks of a hash field, volume rendering
and the loss as one operation, for a step that differentiates through all of it.

The definition is what its parts are elsewhere: `mlp`, `activations`, `volume_rendering`,
`pixel_loss`. Made one, the gradients are found along with the loss, and nothing of a sample but
that of its encoding is kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from effbench.kernels.activations import density_head
from effbench.kernels.backends import resolve
from effbench.kernels.mlp import WIDEST, mlp_reference
from effbench.kernels.pixel_loss import PixelLoss
from effbench.kernels.samples import ray_of_slot
from effbench.kernels.volume_rendering import composite_reference


def shading_loss(
    encoded: Tensor,
    directions: Tensor,
    deltas: Tensor,
    offsets: Tensor,
    background: Tensor,
    target: Tensor,
    loss: PixelLoss,
    density: Sequence[Tensor],
    color: Sequence[Tensor],
    backend: str = "auto",
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean loss (0-d) of the colours of rays over `background` [R, 3], and without
    gradients these colours [R, 3] and the optical depth [N] of the samples.

    encoded: float32 [N, E], ray after ray; directions: float32 [R, 16], spherical harmonics;
    deltas: float32 [N]; offsets: int64 [R + 1]; target: float32 [R, 3]; density, color: matrices as
    `ray_rendering.HashNetworks` has them. Differentiable once in `encoded`, `background` and the
    matrices. Computed in float32.
    """
    along = (encoded, directions, deltas, offsets, background, target)
    if resolve(backend, encoded.device) != "cpu":
        return shading_loss_reference(*along, loss, density, color)
    return _ShadingLoss.apply(*along, loss, *density, *color)  # type: ignore[no-any-return, no-untyped-call]


def why_not_whole(weights: Sequence[Tensor], device: torch.device, backend: str = "auto") -> str:
    """Return why there is no kernel for networks of these matrices; "" if there is."""
    if (chosen := resolve(backend, device)) != "cpu":
        return f"backend {chosen}"
    widest = max(max(weight.shape) for weight in weights)
    return f"{widest} wide" if widest > WIDEST else ""


def shading_loss_reference(
    encoded: Tensor,
    directions: Tensor,
    deltas: Tensor,
    offsets: Tensor,
    background: Tensor,
    target: Tensor,
    loss: PixelLoss,
    density: Sequence[Tensor],
    color: Sequence[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """The definition in eager torch, in the type of its inputs."""
    found, geometry = density_head(mlp_reference(encoded, density), "reference")
    rays = ray_of_slot(offsets, len(encoded))
    inputs = torch.cat([directions[rays], geometry], 1)
    shades = torch.sigmoid(mlp_reference(inputs, color))
    optical_depth = found * deltas
    pixels, _ = composite_reference(optical_depth, shades, offsets, background)
    return loss(pixels, target), pixels.detach(), optical_depth.detach()


class _ShadingLoss(torch.autograd.Function):
    """The kernel as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any,
        encoded: Tensor,
        directions: Tensor,
        deltas: Tensor,
        offsets: Tensor,
        background: Tensor,
        target: Tensor,
        loss: PixelLoss,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        from effbench.kernels.cpu import shading as cpu

        along = (encoded, directions, deltas, offsets, background, target)
        arrays = (x.detach().contiguous().numpy() for x in along)
        matrices = [weight.detach().numpy() for weight in weights]
        arguments: list[Any] = [*arrays, loss.delta, matrices]
        value, *found, d_weights = cpu.learn(*arguments)
        color, optical_depth, d_background, d_encoded = map(torch.from_numpy, found)
        made = [torch.from_numpy(np.ascontiguousarray(each)) for each in d_weights]
        ctx.save_for_backward(d_encoded, d_background, *made)
        ctx.mark_non_differentiable(color, optical_depth)
        return torch.tensor(value), color, optical_depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.saved_tensors
        if (factor := float(grads[0])) != 1:  # a loss that is but a part of what is minimised
            found = [each * factor for each in found]
        d_encoded, d_background, *made = found
        if not ctx.needs_input_grad[4]:
            d_background = None
        return d_encoded, None, None, None, d_background, None, None, *made
