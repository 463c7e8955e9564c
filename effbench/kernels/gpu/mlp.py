"""Fused networks in Triton: a program takes block after block of rows through all layers.

Weights are read once per program, rounded on the way, and padded with zeros to powers of two: a
padded neuron is 0 and has no gradient. Backward, a program adds up its share of the weights'
gradients in registers and writes it at its end; torch adds the shares. No atomics: the same
inputs give the same gradients.

How many rows and warps a program has is what registers and shared memory leave room for, by the
compilers' own account (tests/gpu/check_compilation.py). Eight warps backward through networks of
64 are more than Triton 3.2 and 3.3 can compile for capability 9.0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch, power_of_two

_LEAST = 16  # the tensor cores' smallest extent
_NARROW = 64  # as wide as a network may be that takes the blocks of narrow ones
_KINDS = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}


class _Blocks(NamedTuple):
    """How a program takes the rows."""

    rows: int  # at a time
    warps: int
    stages: int  # of the loop over blocks
    programs: int  # of a multiprocessor

    def constants(self) -> dict[str, int]:
        return {"ROWS": self.rows, "num_warps": self.warps, "num_stages": self.stages}


_FORWARD = {"narrow": _Blocks(128, 8, 2, 4), "wide": _Blocks(64, 8, 1, 4)}
_BACKWARD = {"narrow": _Blocks(64, 4, 1, 2), "wide": _Blocks(16, 8, 1, 1)}


def fits(weights: Sequence[Tensor], room: int) -> bool:
    """Return whether programs find `room` bytes of shared memory enough for these matrices.

    Backward they take most: the matrices twice, as they are and transposed, and about a block's
    activations per layer. It is a bound: compilers and GPUs differ by a block or two.
    """
    inputs, hidden, outputs = _padded(weights)
    widths = [inputs, *[hidden] * (len(weights) - 1), outputs]
    matrices = sum(a * b for a, b in itertools.pairwise(widths))
    activations = _BACKWARD[_width(weights)].rows * hidden * (2 * len(weights) - 1) // 2
    return 2 * (2 * matrices + activations) <= room


def forward(x: Tensor, weights: Sequence[Tensor], out: Tensor) -> None:
    """Write the outputs of [N, I] `x` into `out` [N, O], whose type is that of the activations."""
    taken = _FORWARD[_width(weights)]
    constants = _constants(weights, out.dtype) | taken.constants()
    grid = (min(blocks(len(x), taken.rows), _programs(x.device, taken.programs)),)
    launch(_forward, grid, x, *_pointers(weights), out, len(x), **constants)


def backward(
    x: Tensor, weights: Sequence[Tensor], grad: Tensor, kind: torch.dtype, d_x: Tensor | None
) -> list[Tensor]:
    """Write the gradient of `x` into `d_x`, where one is wanted, and return those of `weights`."""
    taken = _BACKWARD[_width(weights)]
    constants = _constants(weights, kind) | taken.constants()
    programs = min(blocks(len(x), taken.rows), _programs(x.device, taken.programs))
    sizes = [weight.numel() for weight in weights]
    shares = x.new_empty(programs, sum(sizes), dtype=torch.float32)
    arguments = (x, *_pointers(weights), grad, x if d_x is None else d_x, shares, len(x))
    launch(_backward, (programs,), *arguments, WANTED=d_x is not None, **constants)
    gradients = torch.split(shares.sum(0), sizes)
    return [g.view_as(w).to(w.dtype) for g, w in zip(gradients, weights, strict=True)]


@cache
def _programs(device: torch.device, per_processor: int) -> int:
    """Return how many programs share the blocks: enough to fill the GPU."""
    if device.type != "cuda":
        return 2  # interpreted: more than one, so that shares are added up
    return per_processor * torch.cuda.get_device_properties(device).multi_processor_count


def _pointers(weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return first matrix, hidden ones, filled up to two with any, and last matrix."""
    first, *hidden, last = weights
    return first, *[*hidden, first, first][:2], last


def _width(weights: Sequence[Tensor]) -> str:
    return "wide" if max(max(weight.shape) for weight in weights) > _NARROW else "narrow"


def _padded(weights: Sequence[Tensor]) -> tuple[int, int, int]:
    """Return the numbers of inputs, hidden neurons and outputs, padded to powers of two."""
    sizes = weights[0].shape[1], max(len(weight) for weight in weights[:-1]), len(weights[-1])
    inputs, hidden, outputs = (power_of_two(size, _LEAST) for size in sizes)
    return inputs, hidden, outputs


def _constants(weights: Sequence[Tensor], kind: torch.dtype) -> dict[str, Any]:
    """Return the kernels' constants. Hidden layers beyond the first have size 0 where there are
    none; sizes that end in P are padded."""
    widths = [len(weight) for weight in weights[:-1]]
    inputs, hidden, outputs = _padded(weights)
    return {
        "INPUTS": weights[0].shape[1],
        "A": widths[0],
        "B": widths[1] if len(widths) > 1 else 0,
        "C": widths[2] if len(widths) > 2 else 0,
        "OUTPUTS": len(weights[-1]),
        "IP": inputs,
        "HP": hidden,
        "OP": outputs,
        "KIND": _KINDS[kind],
        "UPCAST": not isinstance(_forward, triton.JITFunction),  # interpreted
    }


@jit
def _dot(a, b, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return a·b, summed in float32. UPCAST: Triton's interpreter multiplies the bit patterns of
    bfloat16, so it gets the same numbers as float32."""
    if UPCAST:
        return tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision="ieee")
    else:  # noqa: RET505 - the compiler wants one branch or the other
        return tl.dot(a, b)


@jit
def _matrix(  # type: ignore[no-untyped-def]
    weight, ROWS: tl.constexpr, COLS: tl.constexpr, RP: tl.constexpr, CP: tl.constexpr,
    KIND: tl.constexpr,
):  # fmt: skip
    """Return a [ROWS, COLS] matrix, padded to [RP, CP]."""
    row, col = tl.arange(0, RP)[:, None], tl.arange(0, CP)[None, :]
    inside = (row < ROWS) & (col < COLS)
    return tl.load(weight + row * COLS + col, mask=inside, other=0.0).to(KIND)


@jit
def _rows(x, row, count, COLS: tl.constexpr, CP: tl.constexpr, KIND: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return rows of a [count, COLS] matrix, padded to CP columns."""
    col = tl.arange(0, CP)[None, :]
    inside = (row[:, None] < count) & (col < COLS)
    at = x + row[:, None].to(tl.int64) * COLS + col
    return tl.load(at, mask=inside, other=0.0).to(KIND)


@jit
def _store_rows(out, values, row, count, COLS: tl.constexpr, CP: tl.constexpr):  # type: ignore[no-untyped-def]
    col = tl.arange(0, CP)[None, :]
    inside = (row[:, None] < count) & (col < COLS)
    at = out + row[:, None].to(tl.int64) * COLS + col
    tl.store(at, values.to(out.dtype.element_ty), mask=inside)


@jit
def _store_share(  # type: ignore[no-untyped-def]
    out, share, ROWS: tl.constexpr, COLS: tl.constexpr, RP: tl.constexpr, CP: tl.constexpr
):
    row, col = tl.arange(0, RP)[:, None], tl.arange(0, CP)[None, :]
    tl.store(out + row * COLS + col, share, mask=(row < ROWS) & (col < COLS))


@jit
def _layer(x, weight, KIND: tl.constexpr, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return max(0, x·Wᵀ)."""
    sums = _dot(x, tl.trans(weight), UPCAST)
    return tl.maximum(sums, 0.0, propagate_nan=tl.PropagateNan.ALL).to(KIND)


@jit
def _through(slope, weight, activation, KIND: tl.constexpr, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return the slope before a layer's ReLU from the one behind the next matrix."""
    return tl.where(activation <= 0.0, 0.0, _dot(slope, weight, UPCAST)).to(KIND)


@jit
def _forward(  # type: ignore[no-untyped-def]
    x, first, second, third, last, out, count,
    ROWS: tl.constexpr, INPUTS: tl.constexpr, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr,
    OUTPUTS: tl.constexpr, IP: tl.constexpr, HP: tl.constexpr, OP: tl.constexpr,
    KIND: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    end: tl.constexpr = C if C > 0 else (B if B > 0 else A)
    w_first = _matrix(first, A, INPUTS, HP, IP, KIND)
    if B > 0:
        w_second = _matrix(second, B, A, HP, HP, KIND)
    if C > 0:
        w_third = _matrix(third, C, B, HP, HP, KIND)
    w_last = _matrix(last, OUTPUTS, end, OP, HP, KIND)
    for start in range(tl.program_id(0) * ROWS, count, tl.num_programs(0) * ROWS):
        row = start + tl.arange(0, ROWS)
        h = _layer(_rows(x, row, count, INPUTS, IP, KIND), w_first, KIND, UPCAST)
        if B > 0:
            h = _layer(h, w_second, KIND, UPCAST)
        if C > 0:
            h = _layer(h, w_third, KIND, UPCAST)
        _store_rows(out, _dot(h, tl.trans(w_last), UPCAST), row, count, OUTPUTS, OP)


@jit
def _backward(  # type: ignore[no-untyped-def]
    x, first, second, third, last, grad, d_x, shares, count,
    ROWS: tl.constexpr, INPUTS: tl.constexpr, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr,
    OUTPUTS: tl.constexpr, IP: tl.constexpr, HP: tl.constexpr, OP: tl.constexpr,
    KIND: tl.constexpr, UPCAST: tl.constexpr, WANTED: tl.constexpr,
):  # fmt: skip
    end: tl.constexpr = C if C > 0 else (B if B > 0 else A)
    w_first = _matrix(first, A, INPUTS, HP, IP, KIND)
    d_first = tl.zeros([HP, IP], tl.float32)
    if B > 0:
        w_second = _matrix(second, B, A, HP, HP, KIND)
        d_second = tl.zeros([HP, HP], tl.float32)
    if C > 0:
        w_third = _matrix(third, C, B, HP, HP, KIND)
        d_third = tl.zeros([HP, HP], tl.float32)
    w_last = _matrix(last, OUTPUTS, end, OP, HP, KIND)
    d_last = tl.zeros([OP, HP], tl.float32)
    for start in range(tl.program_id(0) * ROWS, count, tl.num_programs(0) * ROWS):
        row = start + tl.arange(0, ROWS)
        inputs = _rows(x, row, count, INPUTS, IP, KIND)
        a = _layer(inputs, w_first, KIND, UPCAST)
        h = a
        if B > 0:
            b = _layer(a, w_second, KIND, UPCAST)
            h = b
        if C > 0:
            h = _layer(b, w_third, KIND, UPCAST)
        slope = _rows(grad, row, count, OUTPUTS, OP, KIND)
        d_last += _dot(tl.trans(slope), h, UPCAST)
        slope = _through(slope, w_last, h, KIND, UPCAST)
        if C > 0:
            d_third += _dot(tl.trans(slope), b, UPCAST)
            slope = _through(slope, w_third, b, KIND, UPCAST)
        if B > 0:
            d_second += _dot(tl.trans(slope), a, UPCAST)
            slope = _through(slope, w_second, a, KIND, UPCAST)
        d_first += _dot(tl.trans(slope), inputs, UPCAST)
        if WANTED:
            _store_rows(d_x, _dot(slope, w_first, UPCAST), row, count, INPUTS, IP)
    share = shares + tl.program_id(0) * (A * INPUTS + B * A + C * B + OUTPUTS * end)
    _store_share(share, d_first, A, INPUTS, HP, IP)
    if B > 0:
        _store_share(share + A * INPUTS, d_second, B, A, HP, HP)
    if C > 0:
        _store_share(share + A * INPUTS + B * A, d_third, C, B, HP, HP)
    _store_share(share + A * INPUTS + B * A + C * B, d_last, OUTPUTS, end, OP, HP)
