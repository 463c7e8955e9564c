"""Ray marching through an occupancy grid (Müller et al. 2022, appendix E.1).

Notation: R rays, N samples in all, G³ cells. Rays live in the unit cube; sample k of a ray lies at
t = t₀ + (k + jitter)·step, where t₀ is where the ray enters the cube (or `near`, if later), and is
kept when its cell is occupied. Cell (x, y, z) is bit (z·G + y)·G + x of the grid, lowest bit first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.kernels.backends import resolve


@dataclass(frozen=True)
class Samples:
    """The samples of R rays, packed ray after ray and front to back.

    positions: float32 [N, 3]; t: float32 [N], distance along the unit direction; rays: int64 [N],
    the ray a sample belongs to; offsets: int64 [R + 1], ray r owns [offsets[r], offsets[r + 1]);
    deltas: float32 [N], the length a sample stands for.
    """

    positions: Tensor
    t: Tensor
    rays: Tensor
    offsets: Tensor
    deltas: Tensor

    def __len__(self) -> int:
        return len(self.t)

    def prefix(self, counts: Tensor) -> tuple[Samples, Tensor]:
        """Keep the first `counts` (int64 [R]) samples of each ray; also return their indices."""
        offsets = torch.zeros_like(self.offsets)
        torch.cumsum(counts, 0, out=offsets[1:])
        rays = torch.repeat_interleave(counts, output_size=int(offsets[-1]))
        shift = self.offsets[:-1] - offsets[:-1]
        kept = torch.arange(len(rays), device=rays.device) + shift.index_select(0, rays)
        positions = self.positions.index_select(0, kept)
        t, deltas = self.t.index_select(0, kept), self.deltas.index_select(0, kept)
        return Samples(positions, t, rays, offsets, deltas), kept

    def select(self, mask: Tensor) -> tuple[Samples, Tensor]:
        """Keep the samples where `mask` (bool [N]) holds, each with the length it stood for; also
        return their indices."""
        kept = mask.nonzero()[:, 0]
        before = torch.zeros(len(self) + 1, dtype=torch.int64, device=mask.device)
        torch.cumsum(mask, 0, out=before[1:])
        positions, t = self.positions.index_select(0, kept), self.t.index_select(0, kept)
        rays, deltas = self.rays.index_select(0, kept), self.deltas.index_select(0, kept)
        return Samples(positions, t, rays, before.index_select(0, self.offsets), deltas), kept


def march(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float = math.inf,
    backend: str = "auto",
) -> Samples:
    """Place at most `limit` samples per ray in the occupied cells of the unit cube.

    origins, directions: float32 [R, 3], directions of unit length; near: float32 [R], no sample
    lies before it; far: nor behind this distance; occupancy: uint8 [G³ / 8] bits;
    resolution: G; step > 0; jitter: float32 [R] in [0, 1), shifts all samples of a ray.
    """
    if resolve(backend, origins.device) == "cpu":
        from effbench.kernels.cpu import marching as cpu

        offsets, t, rays, positions = cpu.march(
            origins.numpy(),
            directions.numpy(),
            near.numpy(),
            far,
            occupancy.numpy(),
            resolution,
            step,
            jitter.numpy(),
            limit,
        )
        x, distance, ray, offset = map(torch.from_numpy, (positions, t, rays, offsets))
        return Samples(x, distance, ray, offset, _constant(step, distance))
    return march_reference(
        origins, directions, near, occupancy, resolution, step, jitter, limit, far
    )


def march_reference(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float = math.inf,
) -> Samples:
    """The definition: every lattice point of every ray, then a look at its cell."""
    enter, leave = cube_interval(origins, directions)
    enter, leave = torch.maximum(enter, near), leave.clamp_max(far)
    most = math.ceil(math.sqrt(3) / step) + 1
    k = torch.arange(most, device=origins.device, dtype=origins.dtype)
    t = enter[:, None] + (k + jitter[:, None]) * step
    points = origins[:, None] + t[..., None] * directions[:, None]
    kept = (t < leave[:, None]) & _occupied(points, occupancy, resolution)
    kept &= kept.cumsum(1) <= limit
    rays = kept.nonzero()[:, 0]
    offsets = torch.zeros(len(origins) + 1, dtype=torch.int64, device=origins.device)
    torch.cumsum(kept.sum(1), 0, out=offsets[1:])
    return Samples(points[kept].clamp(0, 1), t[kept], rays, offsets, _constant(step, t[kept]))


def _constant(value: float, like: Tensor) -> Tensor:
    """Return `value` in the shape of `like` without storing it for every element."""
    return torch.tensor(value, dtype=like.dtype, device=like.device).expand_as(like)


def cube_interval(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each ray enters (≥ 0) and leaves the unit cube; leave ≤ enter: it misses."""
    inverse = 1 / torch.where(directions == 0, 1e-10, directions)
    a, b = -origins * inverse, (1 - origins) * inverse
    return torch.minimum(a, b).amax(1).clamp_min(0), torch.maximum(a, b).amin(1)


def _occupied(points: Tensor, occupancy: Tensor, resolution: int) -> Tensor:
    cell = (points * resolution).long().clamp(0, resolution - 1)
    index = (cell[..., 2] * resolution + cell[..., 1]) * resolution + cell[..., 0]
    return (occupancy[index >> 3] >> (index & 7)) & 1 == 1
