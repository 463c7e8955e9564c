"""Updates of an occupancy grid in Triton."""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch

_BLOCK = 256  # visited cells, or bytes, per program


def raise_to(cells: Tensor, visited: Tensor, values: Tensor) -> None:
    """Raise cells to `values`, atomically; see `effbench.kernels.occupancy`."""
    count = len(visited)
    grid = (blocks(count, _BLOCK),)
    launch(_raise_to, grid, cells, visited, values, count, BLOCK=_BLOCK)


def pack_bits(cells: Tensor, threshold: Tensor, bits: Tensor) -> None:
    """Write `bits` [M / 8]; see `effbench.kernels.occupancy`."""
    count = len(bits)
    launch(_pack_bits, (blocks(count, _BLOCK),), cells, threshold, bits, count, BLOCK=_BLOCK)


@jit
def _raise_to(cells, visited, values, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Compare bits as integers: numbers ≥ 0 are in the order of their bits, NaN above all."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    cell = tl.load(visited + i, mask=inside, other=0)
    value = tl.load(values + i, mask=inside, other=0.0)
    value = tl.where(value != value, float("nan"), value)  # whose sign may have been set
    slots = (cells + cell).to(tl.pointer_type(tl.int32), bitcast=True)
    tl.atomic_max(slots, value.to(tl.int32, bitcast=True), mask=inside, sem="relaxed")


@jit
def _pack_bits(cells, threshold, bits, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    byte = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = byte < count
    bit = tl.arange(0, 8)[None, :]
    cell = tl.load(cells + byte[:, None] * 8 + bit, mask=inside[:, None], other=0.0)
    above = (cell > tl.load(threshold)).to(tl.int32)
    tl.store(bits + byte, tl.sum(above << bit, 1).to(tl.uint8), mask=inside)
