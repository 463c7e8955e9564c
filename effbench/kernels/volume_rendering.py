"""Volume rendering of packed samples (Max 1995; Mildenhall et al. 2020, eq. 3).

For the samples i of a ray, with optical depth τ_i = σ_i·δ_i, transmittance
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
    optical_depth: Tensor,
    colors: Tensor,
    offsets: Tensor,
    background: Tensor,
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Return the colour [R, 3] over `background` [R, 3] and the opacity [R] of each ray.

    optical_depth: float32 [N], τ ≥ 0; colors: float32 [N, 3]; offsets: int64 [R + 1]; samples from
    offsets[R] on are on no ray and get no gradient.
    The colour is differentiable in `optical_depth`, `colors` and `background`, the opacity is not.
    """
    chosen = resolve(backend, optical_depth.device)
    if chosen != "reference":
        return _Composite.apply(optical_depth, colors, offsets, background, chosen)  # type: ignore[no-any-return, no-untyped-call]
    return composite_reference(optical_depth, colors, offsets, background)


def visible_counts(
    optical_depth: Tensor, offsets: Tensor, early_stop_eps: float, backend: str = "auto"
) -> Tensor:
    """Count, per ray, the samples that see transmittance ≥ `early_stop_eps` (int64 [R]).

    The sample in which the transmittance falls below it still counts.
    """
    limit = -math.log(early_stop_eps) if early_stop_eps > 0 else math.inf
    chosen = resolve(backend, optical_depth.device)
    if chosen == "cpu":
        from effbench.kernels.cpu import volume_rendering as cpu

        counts = torch.empty(len(offsets) - 1, dtype=torch.int64)
        cpu.visible_counts(optical_depth.numpy(), offsets.numpy(), limit, counts.numpy())
        return counts
    if chosen == "triton":
        from effbench.kernels.gpu import volume_rendering as gpu

        counts = torch.empty_like(offsets[1:])
        gpu.visible_counts(optical_depth.contiguous(), offsets, limit, counts)
        return counts
    visible = (_optical_depth_before(optical_depth, offsets) <= limit).long()
    return _add_to_rays(visible, offsets)


class _Composite(torch.autograd.Function):
    """The kernels as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any,
        optical_depth: Tensor,
        colors: Tensor,
        offsets: Tensor,
        background: Tensor,
        backend: str,
    ) -> tuple[Tensor, Tensor]:
        optical_depth, colors = optical_depth.contiguous(), colors.contiguous()
        color, opacity = (
            background.new_empty(len(background), 3),
            background.new_empty(len(background)),
        )
        tensors = [x.detach() for x in (optical_depth, colors, offsets, background.contiguous())]
        _module(backend).forward(*_native(backend, *tensors, color, opacity))
        ctx.save_for_backward(optical_depth, colors, offsets, color, opacity)
        ctx.mark_non_differentiable(opacity)
        ctx.backend = backend
        return color, opacity

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        optical_depth, colors, offsets, color, opacity = ctx.saved_tensors
        count = len(optical_depth)
        first = -(-count // 4) * 4  # 16 bytes: the kernels are compiled for what begins there
        gradients = optical_depth.new_zeros(first + 3 * count)  # one launch for both
        d_optical_depth, d_colors = gradients[:count], gradients[first:].view(count, 3)
        tensors = (
            optical_depth,
            colors,
            offsets,
            color,
            grads[0].contiguous(),
            d_optical_depth,
            d_colors,
        )
        _module(ctx.backend).backward(*_native(ctx.backend, *tensors))
        d_background = (1 - opacity)[:, None] * grads[0] if ctx.needs_input_grad[3] else None
        return d_optical_depth, d_colors, None, d_background, None


def _module(backend: str) -> Any:
    if backend == "cpu":
        from effbench.kernels.cpu import volume_rendering as cpu

        return cpu
    from effbench.kernels.gpu import volume_rendering as gpu

    return gpu


def _native(backend: str, *tensors: Tensor) -> tuple[Any, ...]:
    """Return tensors as the backend takes them."""
    return tuple(x.numpy() for x in tensors) if backend == "cpu" else tensors


def composite_reference(
    optical_depth: Tensor, colors: Tensor, offsets: Tensor, background: Tensor
) -> tuple[Tensor, Tensor]:
    """The definition in eager torch. Sums run in double precision over all samples of the batch:
    in float32 a running sum over 10⁵ samples loses the digits that a single ray needs."""
    transmittance = torch.exp(-_optical_depth_before(optical_depth, offsets)).to(
        optical_depth.dtype
    )
    weights = transmittance * -torch.expm1(-optical_depth)
    color = _add_to_rays(weights[:, None] * colors, offsets)
    opacity = _add_to_rays(weights, offsets)
    return color + (1 - opacity)[:, None] * background, opacity.detach()


def _add_to_rays(values: Tensor, offsets: Tensor) -> Tensor:
    """Add up `values` [N, …] by ray, [R, …]; what lies behind the last ray's end counts nowhere."""
    sums = values.new_zeros(len(offsets), *values.shape[1:])
    return sums.index_add(0, ray_of_slot(offsets, len(values)), values)[:-1]


def _optical_depth_before(optical_depth: Tensor, offsets: Tensor) -> Tensor:
    """Return Σ_{j<i} τ_j within the ray, float64 [N]."""
    before = torch.cat([optical_depth.new_zeros(1).double(), optical_depth.double().cumsum(0)])
    return before[:-1] - before[offsets][ray_of_slot(offsets, len(optical_depth))]
