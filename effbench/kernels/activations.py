"""What turns the outputs of a field's networks into densities and colours.

Each is one pass forward and one backward, from the networks' type to float32 and back, where eager
torch takes one for every cast, slice and function.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from effbench.kernels.backends import resolve


class TruncatedExp(torch.autograd.Function):
    """exp(x) whose gradient is evaluated at clamp(x, −15, 15) (Müller et al. 2022)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.exp(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grads[0] * torch.exp(x.clamp(-15, 15))


def trunc_exp(x: Tensor) -> Tensor:
    """Return `TruncatedExp` of x."""
    return TruncatedExp.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def split_head(output: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first of a density network's outputs [N, 1 + G], the logarithm of the density
    (float32 [N]), and the others, geometry features [N, G]."""
    return _Head.apply(output)  # type: ignore[no-any-return, no-untyped-call]


def density_head(output: Tensor, backend: str = "auto") -> tuple[Tensor, Tensor]:
    """Return the density (float32 [N]) and the geometry features [N, G] of a density network's
    outputs [N, 1 + G]; differentiable, through the exponential as `TruncatedExp` is."""
    if resolve(backend, output.device) == "triton":
        return _DensityHead.apply(output)  # type: ignore[no-any-return, no-untyped-call]
    log_density, geometry = split_head(output)
    return trunc_exp(log_density), geometry


def sigmoid(logits: Tensor, backend: str = "auto") -> Tensor:
    """Return the sigmoid (float32) of `logits` of any type and shape; differentiable."""
    if resolve(backend, logits.device) == "triton":
        return _Sigmoid.apply(logits)  # type: ignore[no-any-return, no-untyped-call]
    return torch.sigmoid(logits.float())


class _Head(torch.autograd.Function):
    """Both parts, whose gradients are put side by side again: autograd would fill a tensor of
    zeros for each and add them."""

    @staticmethod
    def forward(ctx: Any, output: Tensor) -> tuple[Tensor, Tensor]:
        ctx.type = output.dtype
        return output[:, 0].float(), output[:, 1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        first, others = grads
        gradient = others.new_empty(len(first), 1 + others.shape[1], dtype=ctx.type)
        gradient[:, 0] = first
        gradient[:, 1:] = others
        return gradient


class _DensityHead(torch.autograd.Function):
    """The kernels as one differentiable operation."""

    @staticmethod
    def forward(ctx: Any, output: Tensor) -> tuple[Tensor, Tensor]:
        from effbench.kernels.gpu import activations as gpu

        output = output.contiguous()
        ctx.save_for_backward(output)
        return gpu.density(output.detach()), output[:, 1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        from effbench.kernels.gpu import activations as gpu

        (output,) = ctx.saved_tensors
        return gpu.density_backward(output, *grads)


class _Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        from effbench.kernels.gpu import activations as gpu

        values = gpu.sigmoid(logits.detach().contiguous())
        ctx.save_for_backward(values)
        ctx.type = logits.dtype
        return values

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        from effbench.kernels.gpu import activations as gpu

        (values,) = ctx.saved_tensors
        return gpu.sigmoid_backward(values, grads[0].contiguous(), ctx.type)
