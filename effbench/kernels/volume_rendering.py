"""Volume rendering of packed samples (Max 1995; Mildenhall et al. 2020, eq. 3).

For the samples i of a ray, with optical thickness τ_i = σ_i·δ_i, transmittance
T_i = exp(−Σ_{j<i} τ_j) and weight w_i = T_i·(1 − exp(−τ_i)), the colour is
Σ w_i·c_i + T_end·background.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.kernels.samples import ray_of_slot


def composite(
    thickness: Tensor, colors: Tensor, offsets: Tensor, background: Tensor, backend: str = "auto"
) -> tuple[Tensor, Tensor]:
    """Return the colour [R, 3] over `background` [R, 3] and the opacity [R] of each ray.

    thickness: float32 [N], τ ≥ 0; colors: float32 [N, 3]; offsets: int64 [R + 1]; samples from
    offsets[R] on are on no ray and get no gradient.
    The colour is differentiable in `thickness` and `colors`; the opacity is not differentiable.
    """
    if resolve(backend, thickness.device) == "cpu":
        return _CpuComposite.apply(thickness, colors, offsets, background)  # type: ignore[no-any-return, no-untyped-call]
    return composite_reference(thickness, colors, offsets, background)


def visible_counts(
    thickness: Tensor, offsets: Tensor, early_stop: float, backend: str = "auto"
) -> Tensor:
    """Count, per ray, the samples that see transmittance ≥ `early_stop` (int64 [R]).

    The sample in which the transmittance falls below it still counts.
    """
    limit = -math.log(early_stop) if early_stop > 0 else math.inf
    if resolve(backend, thickness.device) == "cpu":
        from effbench.kernels.cpu import volume_rendering as cpu

        counts = torch.empty(len(offsets) - 1, dtype=torch.int64)
        cpu.visible_counts(thickness.numpy(), offsets.numpy(), limit, counts.numpy())
        return counts
    visible = (_thickness_before(thickness, offsets) <= limit).long()
    return _add_to_rays(visible, offsets)


class _CpuComposite(torch.autograd.Function):
    """The numba kernels as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any, thickness: Tensor, colors: Tensor, offsets: Tensor, background: Tensor
    ) -> tuple[Tensor, Tensor]:
        from effbench.kernels.cpu import volume_rendering as cpu

        thickness, colors = thickness.contiguous(), colors.contiguous()
        color, opacity = torch.empty(len(background), 3), torch.empty(len(background))
        arrays = [x.detach().numpy() for x in (thickness, colors, offsets, background)]
        cpu.forward(*arrays, color.numpy(), opacity.numpy())
        ctx.save_for_backward(thickness, colors, offsets, color)
        ctx.mark_non_differentiable(opacity)
        return color, opacity

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        from effbench.kernels.cpu import volume_rendering as cpu

        thickness, colors, offsets, color = ctx.saved_tensors
        d_thickness, d_colors = torch.zeros_like(thickness), torch.zeros_like(colors)
        arrays = [x.numpy() for x in (thickness, colors, offsets, color, grads[0].contiguous())]
        cpu.backward(*arrays, d_thickness.numpy(), d_colors.numpy())
        return d_thickness, d_colors, None, None


def composite_reference(
    thickness: Tensor, colors: Tensor, offsets: Tensor, background: Tensor
) -> tuple[Tensor, Tensor]:
    """The definition in eager torch. Sums run in double precision over all samples of the batch:
    in float32 a running sum over 10⁵ samples loses the digits that a single ray needs."""
    transmittance = torch.exp(-_thickness_before(thickness, offsets)).to(thickness.dtype)
    weights = transmittance * -torch.expm1(-thickness)
    color = _add_to_rays(weights[:, None] * colors, offsets)
    opacity = _add_to_rays(weights, offsets)
    return color + (1 - opacity)[:, None] * background, opacity.detach()


def _add_to_rays(values: Tensor, offsets: Tensor) -> Tensor:
    """Add up `values` [N, …] by ray, [R, …]; what lies behind the last ray's end counts nowhere."""
    sums = values.new_zeros(len(offsets), *values.shape[1:])
    return sums.index_add(0, ray_of_slot(offsets, len(values)), values)[:-1]


def _thickness_before(thickness: Tensor, offsets: Tensor) -> Tensor:
    """Return Σ_{j<i} τ_j within the ray, float64 [N]."""
    before = torch.cat([thickness.new_zeros(1).double(), thickness.double().cumsum(0)])
    return before[:-1] - before[offsets][ray_of_slot(offsets, len(thickness))]
