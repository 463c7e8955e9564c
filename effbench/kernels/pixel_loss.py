"""The loss of a step's pixels; in buffers of fixed size, of those whose rays are complete.

Notation: R rays, c of them complete; the loss of a ray is the mean over its three channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from effbench.kernels.backends import resolve

HUBER_DELTA = 0.1


@dataclass(frozen=True)
class PixelLoss:
    """The mean loss of colours and targets, both [R, 3], or with reduction "none" each value's.

    kind: "mse", or "huber" of a δ of 0.1.
    """

    kind: str

    def __call__(self, color: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        return losses(color, target, self.kind, reduction)

    @property
    def delta(self) -> float:
        """The error from which a Huber loss grows linearly; 0 for the squared error."""
        return 0.0 if self.kind == "mse" else HUBER_DELTA


def pixel_loss(
    color: Tensor,
    target: Tensor,
    complete: Tensor,
    count: Tensor,
    kind: str,
    backend: str = "auto",
) -> Tensor:
    """Return the loss (float32 0-d) of colours [R, 3] against `target` [R, 3], differentiable in
    the colours.

    complete: bool [R], the colours of other rays count nothing, NaN or not; count: int64 0-d, c;
    kind: "huber" or "mse". Nothing is read from the device.
    """
    if resolve(backend, color.device) == "triton":
        return _PixelLoss.apply(color, target, complete, count, kind)  # type: ignore[no-any-return, no-untyped-call]
    return pixel_loss_reference(color, target, complete, count, kind)


def pixel_loss_reference(
    color: Tensor, target: Tensor, complete: Tensor, count: Tensor, kind: str
) -> Tensor:
    """The definition in eager torch."""
    each = losses(color, target, kind).mean(1)
    return each.masked_fill(~complete, 0).sum() / count.clamp_min(1)


def losses(color: Tensor, target: Tensor, kind: str, reduction: str = "none") -> Tensor:
    """Return each value's loss, or with reduction "mean" theirs: "mse", or "huber" of a δ of
    0.1."""
    if kind == "mse":
        return functional.mse_loss(color, target, reduction=reduction)
    return functional.huber_loss(color, target, reduction=reduction, delta=HUBER_DELTA)


class _PixelLoss(torch.autograd.Function):
    """The kernels as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any, color: Tensor, target: Tensor, complete: Tensor, count: Tensor, kind: str
    ) -> Tensor:
        from effbench.kernels.gpu import pixel_loss as gpu

        color, target = color.contiguous(), target.contiguous()
        ctx.save_for_backward(color, target, complete, count)
        ctx.delta = PixelLoss(kind).delta
        return gpu.forward(color, target, complete, count, ctx.delta)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from effbench.kernels.gpu import pixel_loss as gpu

        color, target, complete, count = ctx.saved_tensors
        d_color = torch.empty_like(color)
        gpu.backward(color, target, complete, count, ctx.delta, grads[0], d_color)
        return d_color, None, None, None, None
