"""Ray marching through an occupancy grid (Müller et al. 2022, appendix E.1).

Notation: R rays, N samples in all, G³ cells. Rays live in the unit cube; sample k of a ray lies at
t = t₀ + (k + jitter)·step, where t₀ is where the ray enters the cube (or `near`, if later), and is
kept when its cell is occupied. Cell (x, y, z) is bit (z·G + y)·G + x of the grid, lowest bit first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.kernels.samples import TAIL_POSITION, Samples, offsets_of


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
    capacity: int | None = None,
) -> Samples:
    """Place at most `limit` samples per ray in the occupied cells of the unit cube.

    origins, directions: float32 [R, 3], directions of unit length; near: float32 [R], no sample
    lies before it; far: nor behind this distance; occupancy: uint8 [G³ / 8] bits;
    resolution: G; step > 0; jitter: float32 [R] in [0, 1), shifts all samples of a ray;
    capacity: the length of the result whatever the number of samples, so that it need not be read
    from the device; samples beyond it are dropped (`effbench.kernels.samples`).
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
        samples = Samples(x, distance, ray, offset, _constant(step, distance))
        return samples if capacity is None else samples.with_capacity(capacity)
    return march_reference(
        origins, directions, near, occupancy, resolution, step, jitter, limit, far, capacity
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
    capacity: int | None = None,
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
    offsets = offsets_of(kept.sum(1))
    if capacity is not None:
        return _packed(origins, directions, t, kept, offsets, step, capacity)
    rays = kept.nonzero()[:, 0]
    return Samples(points[kept].clamp(0, 1), t[kept], rays, offsets, _constant(step, t[kept]))


def _packed(
    origins: Tensor,
    directions: Tensor,
    t: Tensor,
    kept: Tensor,
    offsets: Tensor,
    step: float,
    capacity: int,
) -> Samples:
    """Pack the distances `t` [R, K] that are `kept` into `capacity` slots."""
    slot = (kept.flatten().cumsum(0) - 1).clamp_max(capacity)
    slot = slot.masked_fill(~kept.flatten(), capacity)  # one slot behind the last
    index = torch.zeros(capacity + 1, dtype=torch.int64, device=t.device)
    index = index.scatter_(0, slot, torch.arange(t.numel(), device=t.device))[:capacity]
    tail = torch.arange(capacity, device=t.device) >= offsets[-1]
    rays = (index // t.shape[1]).masked_fill(tail, 0)
    distance = t.flatten()[index].masked_fill(tail, 0)
    points = (origins[rays] + distance[:, None] * directions[rays]).clamp(0, 1)
    points = points.masked_fill(tail[:, None], TAIL_POSITION)
    deltas = torch.full_like(distance, step).masked_fill(tail, 0)
    return Samples(points, distance, rays, offsets.clamp_max(capacity), deltas, offsets[-1])


def _constant(value: float, like: Tensor) -> Tensor:
    """Return `value` in the shape of `like` without storing it for every element."""
    # full, not tensor: that would copy from the host, which a CUDA graph cannot hold
    return torch.full((), value, dtype=like.dtype, device=like.device).expand_as(like)


def cube_interval(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each ray enters (≥ 0) and leaves the unit cube; leave ≤ enter: it misses."""
    inverse = 1 / torch.where(directions == 0, 1e-10, directions)
    a, b = -origins * inverse, (1 - origins) * inverse
    return torch.minimum(a, b).amax(1).clamp_min(0), torch.maximum(a, b).amin(1)


def _occupied(points: Tensor, occupancy: Tensor, resolution: int) -> Tensor:
    cell = (points * resolution).long().clamp(0, resolution - 1)
    index = (cell[..., 2] * resolution + cell[..., 1]) * resolution + cell[..., 0]
    return (occupancy[index >> 3] >> (index & 7)) & 1 == 1
