"""Ray marching through an occupancy grid (Müller et al. 2022, appendix E.1).

Notation: R rays, N samples in all, C cascades of G³ cells. Cascade c covers the cube of side 2^c
around (½, ½, ½), so that C = 1 is the unit cube, where rays of a bounded scene live. Cell (x, y, z)
of cascade c is bit ((c·G + z)·G + y)·G + x of the grid, lowest bit first.

Sample k of a ray lies at t = t₀ + (k + jitter)·step, where t₀ is where the ray enters the
outermost cube (or `near`, if later), and is kept when its cell is occupied. With a `cone` the step
at t is clamp(cone·t, step, step_max): t_{k+1} = t_k + step(t_k), beginning at t₀ + jitter·step(t₀).
Its cell is that of the finest cascade that contains the sample and whose cells are no shorter than
the step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effbench.errors import ConfigError
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
    cascades: int = 1,
    cone: float = 0.0,
    step_max: float = math.inf,
) -> Samples:
    """Place at most `limit` samples per ray in the occupied cells of the cube.

    origins, directions: float32 [R, 3], directions of unit length; near: float32 [R], no sample
    lies before it; far: nor behind this distance; occupancy: uint8 [C·G³ / 8] bits;
    resolution: G; step > 0; jitter: float32 [R] in [0, 1), shifts all samples of a ray;
    capacity: the length of the result whatever the number of samples, so that it need not be read
    from the device; samples beyond it are dropped (`effbench.kernels.samples`); cascades: C;
    cone ≥ 0, step_max: how steps grow.
    """
    if cascades < 1 or cone < 0 or not 0 < step <= step_max:
        raise ConfigError(
            f"marching needs cascades ≥ 1, cone ≥ 0 and 0 < step ≤ step_max, not {cascades}, "
            f"{cone}, {step} and {step_max}"
        )
    chosen = resolve(backend, origins.device)
    rays = (origins, directions, near)
    where = (occupancy, resolution, step, jitter, limit, far)
    if chosen == "triton":
        from effbench.kernels.gpu import marching as gpu

        return gpu.march(*rays, *where, capacity, cascades, cone, step_max)
    if chosen == "cpu":
        plain = cascades == 1 and not cone
        grown = (cascades, cone, step_max)
        samples = _march_cpu(*rays, *where) if plain else _march_cascades(*rays, *where, *grown)
        return samples if capacity is None else samples.with_capacity(capacity)
    return march_reference(*rays, *where, capacity, cascades, cone, step_max)


def _march_cpu(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float,
) -> Samples:
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


def _march_cascades(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float,
    cascades: int,
    cone: float,
    step_max: float,
) -> Samples:
    from effbench.kernels.cpu import cascade_marching as cpu

    rays = (origins.numpy(), directions.numpy(), near.numpy())
    found = cpu.march(
        *rays,
        occupancy.numpy(),
        jitter.numpy(),
        resolution,
        step,
        limit,
        far,
        cascades,
        cone,
        step_max,
    )
    return Samples(*map(torch.from_numpy, found))


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
    cascades: int = 1,
    cone: float = 0.0,
    step_max: float = math.inf,
) -> Samples:
    """The definition: every lattice point of every ray, then a look at its cell."""
    half = 0.25 * 2**cascades
    enter, leave = cube_interval(origins, directions, half)
    enter, leave = torch.maximum(enter, near), leave.clamp_max(far)
    t, lengths = _lattice(enter, jitter, step, cone, step_max, 2 * half)
    points = origins[:, None] + t[..., None] * directions[:, None]
    occupied = _occupied(points, lengths, occupancy, resolution, cascades)
    kept = (t < leave[:, None]) & occupied
    kept &= kept.cumsum(1) <= limit
    return select(kept, points.clamp(0.5 - half, 0.5 + half), t, lengths, capacity)


def select(
    kept: Tensor, positions: Tensor, t: Tensor, deltas: Tensor, capacity: int | None = None
) -> Samples:
    """Pack the `kept` (bool [R, K]) of every ray's candidates: positions [R, K, 3], t and deltas
    [R, K]; into buffers of a length, if there is a capacity, without reading from the device."""
    offsets = offsets_of(kept.sum(1))
    if capacity is None:
        return Samples(positions[kept], t[kept], kept.nonzero()[:, 0], offsets, deltas[kept])
    index, tail = _slots(kept, offsets, capacity)
    return Samples(
        positions.flatten(0, 1)[index].masked_fill(tail[:, None], TAIL_POSITION),
        t.flatten()[index].masked_fill(tail, 0),
        (index // t.shape[1]).masked_fill(tail, 0),
        offsets.clamp_max(capacity),
        deltas.flatten()[index].masked_fill(tail, 0),
        offsets[-1],
    )


def _slots(kept: Tensor, offsets: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """Return which element of `kept` [R, K] each slot takes (int64 [M]), and which are the tail."""
    slot = (kept.flatten().cumsum(0) - 1).clamp_max(capacity)
    slot = slot.masked_fill(~kept.flatten(), capacity)  # one slot behind the last
    index = torch.zeros(capacity + 1, dtype=torch.int64, device=kept.device)
    index.scatter_(0, slot, torch.arange(kept.numel(), device=kept.device))
    tail = torch.arange(capacity, device=kept.device) >= offsets[-1]
    return index[:-1].masked_fill(tail, 0), tail


def _lattice(
    enter: Tensor, jitter: Tensor, step: float, cone: float, step_max: float, side: float
) -> tuple[Tensor, Tensor]:
    """Return distances and steps, both [R, K], that reach through a cube with sides of `side`."""
    chord = math.sqrt(3) * side
    if not cone:
        most = math.ceil(chord / step) + 1
        k = torch.arange(most, device=enter.device, dtype=enter.dtype)
        t = enter[:, None] + (k + jitter[:, None]) * step
        return t, _constant(step, t)

    def grow(t: Tensor) -> Tensor:
        return (t * cone).clamp(step, step_max)

    most, reached = 2, 0.0  # steps are shortest, and most, where a ray starts at 0
    while reached < chord:
        most, reached = most + 1, reached + min(max(reached * cone, step), step_max)
    points = [enter + jitter * grow(enter)]
    for _ in range(most - 1):
        points.append(points[-1] + grow(points[-1]))
    t = torch.stack(points, 1)
    return t, grow(t)


def _constant(value: float, like: Tensor) -> Tensor:
    """Return `value` in the shape of `like` without storing it for every element."""
    # full, not tensor: that would copy from the host, which a CUDA graph cannot hold
    return torch.full((), value, dtype=like.dtype, device=like.device).expand_as(like)


def cube_interval(origins: Tensor, directions: Tensor, half: float = 0.5) -> tuple[Tensor, Tensor]:
    """Return where each ray enters (≥ 0) and leaves the cube that reaches `half` from (½, ½, ½);
    leave ≤ enter: it misses."""
    inverse = 1 / torch.where(directions == 0, 1e-10, directions)
    a, b = (0.5 - half - origins) * inverse, (0.5 + half - origins) * inverse
    return torch.minimum(a, b).amax(1).clamp_min(0), torch.maximum(a, b).amin(1)


def _occupied(
    points: Tensor, lengths: Tensor, occupancy: Tensor, resolution: int, cascades: int
) -> Tensor:
    """Return whether the cells of `points` [R, K, 3], with steps `lengths` [R, K], are occupied."""
    cascade = torch.zeros(points.shape[:-1], dtype=torch.int64, device=points.device)
    reach = (points - 0.5).abs().amax(-1)
    for c in range(cascades - 1):
        cascade += (reach > 0.5 * 2**c) | (lengths * resolution > 2**c)
    if cascades > 1:
        points = (points - 0.5) / (2.0**cascade)[..., None] + 0.5
    return occupied_cells(points, occupancy, resolution, cascade)


def occupied_cells(
    positions: Tensor, occupancy: Tensor, resolution: int, cascade: Tensor | int = 0
) -> Tensor:
    """Return bool [...]: whether the cells of positions [..., 3] in the unit cube of a cascade are
    occupied."""
    cell = (positions * resolution).long().clamp(0, resolution - 1)
    z = cascade * resolution + cell[..., 2]
    index = (z * resolution + cell[..., 1]) * resolution + cell[..., 0]
    return (occupancy[index >> 3] >> (index & 7)) & 1 == 1
