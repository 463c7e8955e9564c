"""Samples along rays, packed: what marching makes and every later kernel reads.

With a capacity the tensors have that length whatever the number of samples, so that no size has to
be read from the device. Real samples come first; the tail behind them belongs to no ray's range
and stands for nothing: delta 0, t 0, position (0.5, 0.5, 0.5), ray 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TAIL_POSITION = 0.5


@dataclass(frozen=True)
class Samples:
    """The samples of R rays, packed ray after ray and front to back.

    positions: float32 [N, 3]; t: float32 [N], distance along the unit direction; rays: int64 [N],
    the ray a sample belongs to; offsets: int64 [R + 1], ray r owns [offsets[r], offsets[r + 1]);
    deltas: float32 [N], the length a sample stands for; wanted: int64 0-d, how many samples there
    would be without a capacity, None where there was none.
    """

    positions: Tensor
    t: Tensor
    rays: Tensor
    offsets: Tensor
    deltas: Tensor
    wanted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.t)

    def first(self, count: int) -> Samples:
        """Return these samples without their tail: `count` of them are real."""
        columns = (self.positions[:count], self.t[:count], self.rays[:count])
        return Samples(*columns, self.offsets, self.deltas[:count])

    def with_capacity(self, capacity: int) -> Samples:
        """Return these samples cut or padded to `capacity`; reads nothing from the device."""
        kept = min(len(self), capacity)
        tail = (torch.arange(capacity, device=self.t.device) >= self.offsets[-1])[:kept]

        def resize(values: Tensor, filler: float) -> Tensor:
            whole = values.new_full((capacity, *values.shape[1:]), filler)
            at_tail = tail.view(-1, *[1] * (values.dim() - 1))
            whole[:kept] = values[:kept].masked_fill(at_tail, filler)
            return whole

        return Samples(
            resize(self.positions, TAIL_POSITION),
            resize(self.t, 0),
            resize(self.rays, 0),
            self.offsets.clamp_max(capacity),
            resize(self.deltas, 0),
            self.offsets[-1] if self.wanted is None else self.wanted,
        )


def ray_of_slot(offsets: Tensor, slots: int) -> Tensor:
    """Return the ray (int64 [slots]) that owns each slot of packed samples; R for the tail's."""
    slot = torch.arange(slots, device=offsets.device)
    return torch.searchsorted(offsets[1:].contiguous(), slot, right=True)


def offsets_of(counts: Tensor) -> Tensor:
    """Return the offsets (int64 [R + 1]) of rays with `counts` (integers [R]) samples each."""
    offsets = torch.zeros(len(counts) + 1, dtype=torch.int64, device=counts.device)
    torch.cumsum(counts, 0, out=offsets[1:])
    return offsets
