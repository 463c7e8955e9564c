"""Compaction: packing the samples worth keeping densely again.

Every function returns the kept samples and `kept` (int64 [M]), their indices among the given ones.
With a `capacity` M is that number, the samples beyond it are dropped, and nothing is read from the
device; `kept` is 0 for the slots of the tail. Without one M has to be read.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from effbench.kernels.samples import TAIL_POSITION, Samples, offsets_of, ray_of_slot


def keep_prefix(
    samples: Samples, counts: Tensor, capacity: int | None = None, backend: str = "auto"
) -> tuple[Samples, Tensor]:
    """Keep the first `counts` (int64 [R]) samples of each ray."""
    if capacity is not None and not len(samples):
        return _nothing(samples, capacity)
    return keep_prefix_reference(samples, counts, capacity)


def keep_selected(
    samples: Samples, mask: Tensor, capacity: int | None = None, backend: str = "auto"
) -> tuple[Samples, Tensor]:
    """Keep the samples where `mask` (bool [N]) holds, each with the length it stood for."""
    if capacity is not None and not len(samples):
        return _nothing(samples, capacity)
    return keep_selected_reference(samples, mask, capacity)


def keep_prefix_reference(
    samples: Samples, counts: Tensor, capacity: int | None = None
) -> tuple[Samples, Tensor]:
    """The definition in eager torch: slot i of ray r takes sample i − new offset + old offset."""
    offsets = offsets_of(counts)
    if capacity is None:
        rays = torch.repeat_interleave(counts, output_size=int(offsets[-1]))
        shift = samples.offsets[:-1] - offsets[:-1]
        kept = torch.arange(len(rays), device=rays.device) + shift.index_select(0, rays)
        return _gather(samples, kept, rays, offsets), kept
    wanted, offsets = offsets[-1], offsets.clamp_max(capacity)
    owner = ray_of_slot(offsets, capacity)
    tail = owner == len(counts)
    rays = owner.masked_fill(tail, 0)
    shift = (samples.offsets - offsets).index_select(0, rays)
    kept = (torch.arange(capacity, device=rays.device) + shift).masked_fill(tail, 0)
    return replace(_gather(samples, kept, rays, offsets, tail), wanted=wanted), kept


def keep_selected_reference(
    samples: Samples, mask: Tensor, capacity: int | None = None
) -> tuple[Samples, Tensor]:
    """The definition in eager torch: a sample moves to the number of kept ones before it."""
    if capacity is None:
        kept = mask.nonzero()[:, 0]
        offsets = offsets_of(mask).index_select(0, samples.offsets)
        return _gather(samples, kept, samples.rays.index_select(0, kept), offsets), kept
    index = torch.arange(len(mask), device=mask.device)
    mask = mask & (index < samples.offsets[-1])
    before = offsets_of(mask)
    offsets = before.index_select(0, samples.offsets).clamp_max(capacity)
    # what is not kept, or not any more, goes to one slot behind the last
    slot = before[:-1].clamp_max(capacity).masked_fill(~mask, capacity)
    kept = index.new_zeros(capacity + 1).scatter_(0, slot, index)[:-1]
    tail = torch.arange(capacity, device=kept.device) >= offsets[-1]
    kept = kept.masked_fill(tail, 0)
    rays = samples.rays.index_select(0, kept).masked_fill(tail, 0)
    return replace(_gather(samples, kept, rays, offsets, tail), wanted=before[-1]), kept


def _nothing(samples: Samples, capacity: int) -> tuple[Samples, Tensor]:
    return samples.with_capacity(capacity), samples.rays.new_zeros(capacity)


def _gather(
    samples: Samples, kept: Tensor, rays: Tensor, offsets: Tensor, tail: Tensor | None = None
) -> Samples:
    positions = samples.positions.index_select(0, kept)
    t, deltas = samples.t.index_select(0, kept), samples.deltas.index_select(0, kept)
    if tail is not None:
        positions = positions.masked_fill(tail[:, None], TAIL_POSITION)
        t, deltas = t.masked_fill(tail, 0), deltas.masked_fill(tail, 0)
    return Samples(positions, t, rays, offsets, deltas)
