"""Densities and colours from the networks' outputs in Triton, and the gradients back."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch, power_of_two

_BLOCK = 1024  # elements per program
_ROWS = 64  # of a network's outputs per program


def density(output: Tensor) -> Tensor:
    """Return exp of the first column of `output` [N, K], float32 [N]."""
    found = torch.empty(len(output), device=output.device)
    arguments = (output, found, len(output))
    launch(_density, (blocks(len(output), _BLOCK),), *arguments, K=output.shape[1], BLOCK=_BLOCK)
    return found


def density_backward(output: Tensor, d_density: Tensor, d_others: Tensor) -> Tensor:
    """Return the gradient of `output` [N, K] from those of the density [N] and of the other
    columns [N, K − 1], whose rows may be part of longer ones."""
    if d_others.stride(1) != 1:
        d_others = d_others.contiguous()
    gradient = torch.empty_like(output)
    arguments = (output, d_density.contiguous(), d_others, d_others.stride(0), gradient)
    columns = output.shape[1]
    constants = {"K": columns, "KP": power_of_two(columns), "ROWS": _ROWS}
    grid = (blocks(len(output), _ROWS),)
    launch(_density_backward, grid, *arguments, len(output), **constants)
    return gradient


def sigmoid(logits: Tensor) -> Tensor:
    """Return the sigmoid of `logits`, float32."""
    values = torch.empty(logits.shape, device=logits.device)
    grid = (blocks(logits.numel(), _BLOCK),)
    launch(_sigmoid, grid, logits, values, logits.numel(), BLOCK=_BLOCK)
    return values


def sigmoid_backward(values: Tensor, grad: Tensor, kind: torch.dtype) -> Tensor:
    """Return the gradient, of type `kind`, of logits whose sigmoid is `values`."""
    gradient = torch.empty(values.shape, dtype=kind, device=values.device)
    grid = (blocks(values.numel(), _BLOCK),)
    launch(_sigmoid_backward, grid, values, grad, gradient, values.numel(), BLOCK=_BLOCK)
    return gradient


@jit
def _density(output, found, count, K: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = row < count
    logarithm = tl.load(output + row * K, mask=inside, other=0.0).to(tl.float32)
    tl.store(found + row, tl.exp(logarithm), mask=inside)


@jit
def _density_backward(  # type: ignore[no-untyped-def]
    output, d_density, d_others, stride, gradient, count,
    K: tl.constexpr, KP: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, KP)[None, :]
    real = row < count
    x = tl.load(output + row * K, mask=real, other=0.0).to(tl.float32)
    x = tl.where(x > 15.0, 15.0, tl.where(x < -15.0, -15.0, x))  # a NaN stays one
    first = tl.load(d_density + row, mask=real, other=0.0) * tl.exp(x)
    inside = real[:, None] & (column < K)
    behind = inside & (column > 0)
    others = tl.load(d_others + row[:, None] * stride + column - 1, mask=behind, other=0.0)
    both = tl.where(column == 0, first[:, None], others.to(tl.float32))
    out = gradient + row[:, None] * K + column
    tl.store(out, both.to(gradient.dtype.element_ty), mask=inside)


@jit
def _sigmoid(logits, values, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    x = tl.load(logits + i, mask=inside, other=0.0).to(tl.float32)
    small = tl.exp(-tl.abs(x))
    tl.store(values + i, tl.where(x < 0.0, small, 1.0) / (1.0 + small), mask=inside)


@jit
def _sigmoid_backward(values, grad, gradient, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    y = tl.load(values + i, mask=inside, other=0.0)
    slope = tl.load(grad + i, mask=inside, other=0.0) * y * (1.0 - y)
    tl.store(gradient + i, slope.to(gradient.dtype.element_ty), mask=inside)
