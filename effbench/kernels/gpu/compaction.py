"""Compaction in Triton: samples move to their new slots, all of their values in one pass.

Offsets come from prefix sums by torch. Slots of the tail keep what they were made with.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch
from effbench.kernels.samples import TAIL_POSITION, Samples

_CHUNK = 32  # samples of a ray at a time: a warp
_BLOCK = 512  # samples per program, where rays do not matter


def make_slots(
    count: int, offsets: Tensor, wanted: Tensor | None, filled: bool
) -> tuple[Samples, Tensor]:
    """Return `count` slots to be written and their indices; like the tail's where `filled`."""
    device = offsets.device
    if filled:
        positions = torch.full((count, 3), TAIL_POSITION, device=device)
        # what is 0 is cut out of one tensor, which takes one launch to fill, at multiples of 16
        # bytes, as Triton's kernels are compiled for
        width = 4 * blocks(count, 4)
        zeros = torch.zeros(3, width, dtype=torch.int64, device=device)
        rays, kept = zeros[:2, :count].unbind(0)
        t, deltas = zeros[2].view(torch.float32).view(2, width)[:, :count].unbind(0)
    else:
        positions = torch.empty(count, 3, device=device)
        rays, kept = (torch.empty(count, dtype=torch.int64, device=device) for _ in range(2))
        t, deltas = (torch.empty(count, device=device) for _ in range(2))
    return Samples(positions, t, rays, offsets, deltas, wanted), kept


def copy_prefixes(samples: Samples, to: Samples, kept: Tensor) -> None:
    """Copy the first samples of each ray, as many as `to.offsets` leaves room for."""
    arguments = (samples.offsets, to.offsets, *_columns(samples), *_columns(to), to.rays, kept)
    launch(_copy_prefixes, (len(to.offsets) - 1,), *arguments, CHUNK=_CHUNK, num_warps=1)


def copy_selected(
    samples: Samples, mask: Tensor, before: Tensor, to: Samples, kept: Tensor
) -> None:
    """Copy the samples where `mask` holds to slot `before` (int64 [N]), those that fit.

    Samples behind the last ray's end are left behind.
    """
    count = len(mask)
    flags, end = mask.contiguous().view(torch.uint8), samples.offsets[-1:]
    arguments = (flags, before, end, samples.rays, *_columns(samples), *_columns(to), to.rays, kept)
    grid = (blocks(count, _BLOCK),)
    launch(_copy_selected, grid, *arguments, count, len(kept), BLOCK=_BLOCK)


def _columns(samples: Samples) -> tuple[Tensor, Tensor, Tensor]:
    return samples.positions.contiguous(), samples.t.contiguous(), samples.deltas.contiguous()


@jit
def _copy(i, slot, where, positions, t, deltas, to_positions, to_t, to_deltas, kept):  # type: ignore[no-untyped-def]
    axis = tl.arange(0, 4)[None, :]
    inside = where[:, None] & (axis < 3)
    point = tl.load(positions + i[:, None] * 3 + axis, mask=inside, other=0.0)
    tl.store(to_positions + slot[:, None] * 3 + axis, point, mask=inside)
    tl.store(to_t + slot, tl.load(t + i, mask=where, other=0.0), mask=where)
    tl.store(to_deltas + slot, tl.load(deltas + i, mask=where, other=0.0), mask=where)
    tl.store(kept + slot, i, mask=where)


@jit
def _copy_prefixes(  # type: ignore[no-untyped-def]
    offsets,
    to_offsets,
    positions,
    t,
    deltas,
    to_positions,
    to_t,
    to_deltas,
    to_rays,
    kept,
    CHUNK: tl.constexpr,
):
    ray = tl.program_id(0)
    start, stop = tl.load(to_offsets + ray), tl.load(to_offsets + ray + 1)
    shift = tl.load(offsets + ray) - start
    while start < stop:
        slot = start + tl.arange(0, CHUNK)
        inside = slot < stop
        _copy(slot + shift, slot, inside, positions, t, deltas, to_positions, to_t, to_deltas, kept)
        tl.store(to_rays + slot, ray, mask=inside)
        start += CHUNK


@jit
def _copy_selected(  # type: ignore[no-untyped-def]
    flags,
    before,
    end,
    rays,
    positions,
    t,
    deltas,
    to_positions,
    to_t,
    to_deltas,
    to_rays,
    kept,
    count,
    room,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = (i < count) & (i < tl.load(end))
    slot = tl.load(before + i, mask=inside, other=0)
    chosen = inside & (tl.load(flags + i, mask=inside, other=0) > 0) & (slot < room)
    _copy(i, slot, chosen, positions, t, deltas, to_positions, to_t, to_deltas, kept)
    tl.store(to_rays + slot, tl.load(rays + i, mask=chosen, other=0), mask=chosen)
