"""Small networks without biases: linear layers with ReLU between them.

Fused (Müller et al. 2021, Real-time Neural Radiance Caching, §5): a block of rows goes through all
layers without leaving the chip, so that only inputs and outputs touch memory; backward, a GPU
computes the activations again, and a CPU, which has the memory, keeps them. That pays while a
network is narrow, and has to find room in the shared memory of a GPU; the others are the
reference's, whose products of matrices are the vendor's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from effbench.errors import unknown
from effbench.kernels.backends import resolve

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WIDEST = 128  # inputs, hidden neurons or outputs of a fused network
DEEPEST = 4  # matrices


def mlp(
    x: Tensor,
    weights: Sequence[Tensor],
    precision: str = "fp32",
    backend: str = "auto",
    known: Tensor | None = None,
) -> Tensor:
    """Return the network's outputs [N, O] for `x` [N, I], differentiable in `x` and `weights`.

    weights: [O_k, I_k] each, I_0 = I, I_{k+1} = O_k, at least one. precision: "fp32", or "bf16" or
    "fp16", in which factors, activations and the result are rounded to that type while sums are
    float32. float16 gradients need a loss scaled by the caller.

    Networks of 2 to 4 matrices, at most 128 wide, are fused: by Triton in bf16 and fp16, where they
    fit, and by the CPU's kernels in fp32. The reference takes the others.

    known: the outputs, where they have been computed before without gradient: Triton's backward
    pass needs nothing else of a forward pass. The others compute them again.
    """
    if precision not in TYPES:
        raise unknown("precision", precision, TYPES)
    if why_not_fused(weights, precision, x.device, backend):
        return mlp_reference(x, weights, precision)
    if resolve(backend, x.device) == "cpu":
        return _NumbaMLP.apply(x, *weights)  # type: ignore[no-any-return, no-untyped-call]
    return _FusedMLP.apply(x, precision, known, *weights)  # type: ignore[no-any-return, no-untyped-call]


def why_not_fused(
    weights: Sequence[Tensor], precision: str, device: torch.device, backend: str = "auto"
) -> str:
    """Return why the kernels do not take a network of these matrices; "" if they do."""
    chosen = resolve(backend, device)
    if chosen == "reference":
        return "backend reference"
    if (precision == "fp32") != (chosen == "cpu"):
        return precision
    if not 2 <= len(weights) <= DEEPEST:
        return f"{len(weights)} matrices"
    if (widest := max(max(weight.shape) for weight in weights)) > WIDEST:
        return f"{widest} wide"
    if chosen == "cpu":
        return ""
    from effbench.kernels import gpu
    from effbench.kernels.gpu import mlp as fused

    if not gpu.has_tensor_cores(device):
        return "no tensor cores that Triton uses"
    room = gpu.shared_memory(device)
    if not fused.fits(weights, room):
        return f"{len(weights)} matrices of {widest} do not fit into {room >> 10} KiB"
    return ""


def mlp_reference(x: Tensor, weights: Sequence[Tensor], precision: str = "fp32") -> Tensor:
    """The definition in eager torch."""
    kind = TYPES[precision]
    x = x.to(kind)
    *hidden, last = (weight.to(kind) for weight in weights)
    for weight in hidden:
        x = functional.relu(functional.linear(x, weight))
    return functional.linear(x, last)


class _FusedMLP(torch.autograd.Function):
    """The Triton kernels as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, precision: str, known: Tensor | None, *weights: Tensor
    ) -> Tensor:
        from effbench.kernels.gpu import mlp as gpu

        x = x.contiguous()
        weights = tuple(weight.contiguous() for weight in weights)
        ctx.save_for_backward(x, *weights)
        ctx.kind = TYPES[precision]
        if known is not None:
            return known.view_as(known)
        out = torch.empty(len(x), len(weights[-1]), dtype=ctx.kind, device=x.device)
        gpu.forward(x, weights, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from effbench.kernels.gpu import mlp as gpu

        x, *weights = ctx.saved_tensors
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_weights = gpu.backward(x, weights, grads[0].contiguous(), ctx.kind, d_x)
        return d_x, None, None, *d_weights


class _NumbaMLP(torch.autograd.Function):
    """The CPU's kernels as one differentiable operation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        from effbench.kernels.cpu import mlp as cpu

        inputs = x.detach().float().contiguous()
        matrices = [weight.detach().numpy() for weight in weights]
        needed = any(ctx.needs_input_grad)
        out, hidden = cpu.forward(inputs.numpy(), matrices, kept=needed)
        activations = map(torch.from_numpy, hidden if needed else ())
        ctx.kind = x.dtype
        ctx.save_for_backward(inputs, *weights, *activations)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from effbench.kernels.cpu import mlp as cpu

        x, *others = ctx.saved_tensors
        layers = (len(others) + 1) // 2  # matrices, and activations between them
        d_x, d_weights = cpu.backward(
            x.numpy(),
            [weight.detach().numpy() for weight in others[:layers]],
            tuple(activations.numpy() for activations in others[layers:]),
            grads[0].contiguous().numpy(),
            wanted=ctx.needs_input_grad[0],
        )
        gradient = torch.from_numpy(d_x).to(ctx.kind) if ctx.needs_input_grad[0] else None
        return gradient, *(torch.from_numpy(np.ascontiguousarray(g)) for g in d_weights)
