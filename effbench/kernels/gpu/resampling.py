"""Systematic resampling into a buffer of fixed size in Triton; prefix sums are torch's."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch

_BLOCK = 1024  # samples per program


def systematic(expected: Tensor, shift: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """Return samples drawn (int64 [capacity]) and how often each is (float32 [capacity]); see
    `effbench.kernels.resampling`."""
    count, device = len(expected), expected.device
    line = torch.cumsum(expected, 0, dtype=torch.float64)
    drawn = torch.empty(count, dtype=torch.int32, device=device)
    grid = (blocks(count, _BLOCK),)
    launch(_comb, grid, line, expected, shift, drawn, count, BLOCK=_BLOCK)
    places = torch.cumsum(drawn, 0)
    # both are cut out of one tensor, which takes one launch to fill, at multiples of 16 bytes
    width = capacity + capacity % 2
    both = torch.zeros(2, width, dtype=torch.int64, device=device)
    kept, times = both[0, :capacity], both[1].view(torch.float32)[:capacity]
    arguments = (line, shift, drawn, places, kept, times, count, capacity)
    launch(_place, grid, *arguments, BLOCK=_BLOCK)
    return kept, times


@jit
def _teeth(line, shift, i, inside):  # type: ignore[no-untyped-def]
    """Return how many teeth fall on samples i: those below the sample's end, less those below its
    beginning."""
    offset = tl.load(shift)
    end = tl.ceil(tl.load(line + i, mask=inside, other=0.0) - offset)
    before = tl.load(line + i - 1, mask=inside & (i > 0), other=0.0)
    return end - tl.where(i > 0, tl.ceil(before - offset), 0.0)


@jit
def _comb(line, expected, shift, drawn, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    wanted = tl.load(expected + i, mask=inside, other=0.0) > 0.0
    some = (_teeth(line, shift, i, inside) > 0.0) & wanted
    tl.store(drawn + i, some.to(tl.int32), mask=inside)


@jit
def _place(line, shift, drawn, places, kept, times, count, room, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    slot = tl.load(places + i, mask=inside, other=0) - 1
    chosen = inside & (tl.load(drawn + i, mask=inside, other=0) > 0) & (slot < room)
    tl.store(kept + slot, i.to(tl.int64), mask=chosen)
    tl.store(times + slot, _teeth(line, shift, i, inside).to(tl.float32), mask=chosen)
