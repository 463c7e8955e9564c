"""The loss of a step in Triton: a lane has a ray; torch adds up what the programs found."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch

_BLOCK = 256  # rays per program


def forward(color: Tensor, target: Tensor, complete: Tensor, count: Tensor, delta: float) -> Tensor:
    """Return the loss, float32 0-d, Huber's or, with delta 0, the squared error; see
    `effbench.kernels.pixel_loss`."""
    programs = blocks(len(color), _BLOCK)
    shares = color.new_empty(programs)
    arguments = (*_inputs(color, target, complete), count, shares, len(color))
    launch(_forward, (programs,), *arguments, DELTA=delta, BLOCK=_BLOCK)
    return shares.sum()


def backward(
    color: Tensor,
    target: Tensor,
    complete: Tensor,
    count: Tensor,
    delta: float,
    grad: Tensor,
    d_color: Tensor,
) -> None:
    """Write the gradient by the colours of a loss with the gradient `grad` (float32 0-d)."""
    arguments = (*_inputs(color, target, complete), count, grad, d_color, len(color))
    launch(_backward, (blocks(len(color), _BLOCK),), *arguments, DELTA=delta, BLOCK=_BLOCK)


def _inputs(color: Tensor, target: Tensor, complete: Tensor) -> tuple[Tensor, ...]:
    return color.detach(), target, complete.view(torch.uint8)


@jit
def _errors(color, target, complete, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return places, which of them count, and how far off the colours are there, [BLOCK, 4]."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    counts = (ray < count) & (tl.load(complete + ray, mask=ray < count, other=0) > 0)
    channel = tl.arange(0, 4)[None, :]
    at, where = ray[:, None] * 3 + channel, counts[:, None] & (channel < 3)
    error = tl.load(color + at, mask=where, other=0.0) - tl.load(target + at, mask=where, other=0.0)
    return at, (ray < count)[:, None] & (channel < 3), error


@jit
def _forward(  # type: ignore[no-untyped-def]
    color, target, complete, number, shares, count, DELTA: tl.constexpr, BLOCK: tl.constexpr
):
    _, _, error = _errors(color, target, complete, count, BLOCK)
    loss = error * error
    if DELTA > 0:
        size = tl.abs(error)
        loss = tl.where(size <= DELTA, 0.5 * loss, DELTA * (size - 0.5 * DELTA))
    total = tl.sum(tl.sum(loss, 1), 0) / 3.0
    rays = tl.maximum(tl.load(number), 1).to(tl.float32)
    tl.store(shares + tl.program_id(0), total / rays)


@jit
def _backward(  # type: ignore[no-untyped-def]
    color, target, complete, number, grad, d_color, count, DELTA: tl.constexpr, BLOCK: tl.constexpr
):
    at, inside, error = _errors(color, target, complete, count, BLOCK)
    slope = 2.0 * error
    if DELTA > 0:
        clipped = tl.where(error > 0.0, DELTA, -DELTA)
        slope = tl.where(tl.abs(error) > DELTA, clipped, error)
    rays = tl.maximum(tl.load(number), 1).to(tl.float32)
    tl.store(d_color + at, slope * (tl.load(grad) / (3.0 * rays)), mask=inside)
