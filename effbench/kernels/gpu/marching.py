"""Ray marching in Triton: count, prefix sum, write. A lane has a ray, a program a warp of them.

Empty space is crossed in strides of blocks of 4³ cells where all of those are empty. The second
pass starts at the first sample that the first pass found and ends at the last. Multiplications and
additions are not fused here, so that both passes place samples at the very same distances.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch
from effbench.kernels.gpu.compaction import make_slots
from effbench.kernels.samples import Samples, offsets_of

_RAYS = 32  # per program
_BLOCK = 128  # blocks of cells per program


def march(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float,
    capacity: int | None,
    cascades: int,
    cone: float,
    step_max: float,
) -> Samples:
    """See `effbench.kernels.marching.march`."""
    count = len(origins)
    rays = tuple(x.contiguous() for x in (origins, directions, near, jitter))
    coarse, blocked = _occupied_blocks(occupancy, resolution, cascades)
    counts = torch.empty(count, dtype=torch.int32, device=origins.device)
    # where the first sample of a ray is: its number on the lattice or, with a cone, its distance
    first = torch.empty(count, dtype=torch.float32, device=origins.device)
    scalars = (count, limit, float(far), float(step), float(step_max), float(cone))
    constants = {
        "RESOLUTION": resolution,
        "CASCADES": cascades,
        "HALF": 0.25 * 2**cascades,
        "CONE": cone > 0,
        "BLOCKED": blocked,
        "BLOCK": _RAYS,
        "num_warps": 1,
        "enable_fp_fusion": False,
    }
    grid = (blocks(count, _RAYS),)
    launch(_count, grid, *rays, occupancy, coarse, counts, first, *scalars, **constants)
    offsets = offsets_of(counts)
    if capacity is None:
        samples, _ = make_slots(int(offsets[-1]), offsets, None, filled=False)
    else:
        clipped = offsets.clamp_max(capacity)
        samples, _ = make_slots(capacity, clipped, offsets[-1], filled=True)
    out = (samples.offsets, first, samples.positions, samples.t, samples.rays, samples.deltas)
    launch(_write, grid, *rays, occupancy, coarse, *out, *scalars, **constants)
    return samples


def _occupied_blocks(occupancy: Tensor, resolution: int, cascades: int) -> tuple[Tensor, bool]:
    """Return uint8 [C·(G / 4)³], 1 where any of a block's cells is occupied, and True; or anything
    and False where blocks do not fit into the bytes of the grid or into its cascades."""
    if resolution % (8 if cascades == 1 else 16):
        return occupancy, False
    count = cascades * (resolution // 4) ** 3
    coarse = torch.empty(count, dtype=torch.uint8, device=occupancy.device)
    constants = {"RESOLUTION": resolution, "BLOCK": _BLOCK}
    launch(_coarsen, (blocks(count, _BLOCK),), occupancy, coarse, count, **constants)
    return coarse, True


@jit
def _coarsen(occupancy, coarse, count, RESOLUTION: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    block = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = block < count
    size: tl.constexpr = RESOLUTION // 4
    x, y, z = block % size, block // size % size, block // (size * size)  # z runs over cascades too
    row = tl.arange(0, 16)[None, :]
    cell = ((z[:, None] * 4 + row // 4) * RESOLUTION + y[:, None] * 4 + row % 4) * RESOLUTION
    byte = tl.load(occupancy + (cell + x[:, None] * 4) // 8, mask=inside[:, None], other=0)
    four = (byte.to(tl.int32) >> (x[:, None] % 2 * 4)) & 15
    tl.store(coarse + block, tl.max((four > 0).to(tl.int32), 1).to(tl.uint8), mask=inside)


@jit
def _larger(a, b):  # type: ignore[no-untyped-def]
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@jit
def _smaller(a, b):  # type: ignore[no-untyped-def]
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@jit
def _axis(origins, directions, ray, inside, HALF: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return origin, direction, its reciprocal and the interval within the cube on one axis."""
    o = tl.load(origins + ray * 3, mask=inside, other=0.0)
    d = tl.load(directions + ray * 3, mask=inside, other=1.0)
    inverse = 1.0 / tl.where(d == 0.0, 1e-10, d)
    a, b = (0.5 - HALF - o) * inverse, (0.5 + HALF - o) * inverse
    return o, d, inverse, tl.minimum(a, b), tl.maximum(a, b)


@jit
def _cell_axis(x, extent, RESOLUTION: tl.constexpr, CASCADES: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return the lattice coordinate and the cell of x in a cube of side `extent` around 0.5."""
    scaled = x * RESOLUTION if CASCADES == 1 else ((x - 0.5) / extent + 0.5) * RESOLUTION
    cell = tl.minimum(tl.maximum(scaled.to(tl.int32), 0), RESOLUTION - 1)
    return scaled, cell


@jit
def _exit(scaled, cell, d, inverse, per_length, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return the distance to the face through which a ray leaves a block of SIZE cells."""
    face = (cell // SIZE + (d > 0).to(tl.int32)) * SIZE
    distance = (face.to(tl.float32) - scaled) * inverse * per_length
    return tl.where(d == 0.0, float("inf"), distance)


@jit
def _clamp(x, low, high):  # type: ignore[no-untyped-def]
    return tl.minimum(tl.maximum(x, low), high)


@jit
def _march(  # type: ignore[no-untyped-def]
    origins,
    directions,
    near,
    jitter,
    occupancy,
    coarse,
    first,
    out,
    positions,
    ts,
    owners,
    deltas,
    count,
    limit,
    far,
    step,
    step_max,
    cone,
    WRITE: tl.constexpr,
    RESOLUTION: tl.constexpr,
    CASCADES: tl.constexpr,
    HALF: tl.constexpr,
    CONE: tl.constexpr,
    BLOCKED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Walk along the rays. `out`: where the counts go or, to WRITE, the offsets to write at.

    Long, for a reason: the loop changes a dozen values of a lane, which Triton would have a part of
    it take and return whole, and counting and writing must walk alike to the last bit.
    """
    low: tl.constexpr = 0.5 - HALF
    high: tl.constexpr = 0.5 + HALF
    size: tl.constexpr = RESOLUTION // 4
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < count
    ox, dx, ix, ax, bx = _axis(origins, directions, ray, inside, HALF)
    oy, dy, iy, ay, by = _axis(origins + 1, directions + 1, ray, inside, HALF)
    oz, dz, iz, az, bz = _axis(origins + 2, directions + 2, ray, inside, HALF)
    start = _larger(_larger(ax, ay), _larger(az, 0.0))
    start = _larger(start, tl.load(near + ray, mask=inside, other=0.0))
    leave = _smaller(_smaller(bx, by), _smaller(bz, far))
    meets = inside & (start < leave)  # no ray of NaN does
    start = tl.where(meets, start, 0.0)  # some may be infinite
    shift = tl.load(jitter + ray, mask=inside, other=0.0)
    if WRITE:
        slot = tl.load(out + ray, mask=inside, other=0)
        most = (tl.load(out + ray + 1, mask=inside, other=0) - slot).to(tl.int32)
        origin = tl.load(first + ray, mask=inside, other=0.0)
    else:
        most = tl.full([BLOCK], 0, tl.int32) + limit
        if CONE:
            origin = start + shift * _clamp(start * cone, step, step_max)
        else:
            origin = tl.zeros([BLOCK], tl.float32)
    k = origin.to(tl.int32) if not CONE else tl.zeros([BLOCK], tl.int32)
    t = origin if CONE else start + (k.to(tl.float32) + shift) * step
    beginning = origin
    target = t  # nothing before it is worth a look
    found = tl.zeros([BLOCK], tl.int32)
    active = meets & (t < leave) & (found < most)
    while tl.max(active.to(tl.int32), 0) > 0:
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        length = _clamp(t * cone, step, step_max) if CONE else tl.zeros([BLOCK], tl.float32) + step
        cascade = tl.zeros([BLOCK], tl.int32)
        extent = tl.full([BLOCK], 1.0, tl.float32)
        far_out = tl.maximum(tl.maximum(tl.abs(x - 0.5), tl.abs(y - 0.5)), tl.abs(z - 0.5))
        for _ in tl.static_range(1, CASCADES):
            # outside of the cascade's cube, or its cells are shorter than a step
            wider = (far_out > extent * 0.5) | (length * RESOLUTION > extent)
            cascade += wider.to(tl.int32)
            extent = tl.where(wider, extent * 2.0, extent)
        sx, cx = _cell_axis(x, extent, RESOLUTION, CASCADES)
        sy, cy = _cell_axis(y, extent, RESOLUTION, CASCADES)
        sz, cz = _cell_axis(z, extent, RESOLUTION, CASCADES)
        looked = active & (t >= target)
        per_length = extent / RESOLUTION
        near_x = _exit(sx, cx, dx, ix, per_length, 1)
        near_y = _exit(sy, cy, dy, iy, per_length, 1)
        near_z = _exit(sz, cz, dz, iz, per_length, 1)
        ahead = tl.minimum(tl.minimum(near_x, near_y), near_z)
        maybe = looked
        if BLOCKED:
            block = ((cascade * size + cz // 4) * size + cy // 4) * size + cx // 4
            maybe = looked & (tl.load(coarse + block, mask=looked, other=0) > 0)
            far_x = _exit(sx, cx, dx, ix, per_length, 4)
            far_y = _exit(sy, cy, dy, iy, per_length, 4)
            far_z = _exit(sz, cz, dz, iz, per_length, 4)
            ahead = tl.where(maybe, ahead, tl.minimum(tl.minimum(far_x, far_y), far_z))
        cell = ((cascade * RESOLUTION + cz) * RESOLUTION + cy) * RESOLUTION + cx
        byte = tl.load(occupancy + cell // 8, mask=maybe, other=0).to(tl.int32)
        hit = maybe & (((byte >> (cell % 8)) & 1) > 0)
        if WRITE:
            at = slot + found
            tl.store(positions + at * 3, _clamp(x, low, high), mask=hit)
            tl.store(positions + at * 3 + 1, _clamp(y, low, high), mask=hit)
            tl.store(positions + at * 3 + 2, _clamp(z, low, high), mask=hit)
            tl.store(ts + at, t, mask=hit)
            tl.store(owners + at, ray, mask=hit)
            tl.store(deltas + at, length, mask=hit)
        else:
            beginning = tl.where(hit & (found == 0), t if CONE else k.to(tl.float32), beginning)
        found += hit.to(tl.int32)
        if CONE:
            target = tl.where(looked & ~hit, t + tl.maximum(ahead, 0.0), target)
            t += length
        else:
            # the first lattice point at or behind the cell's end
            lattice = tl.ceil((t + tl.maximum(ahead, 0.0) - start) / step - shift)
            skipped = tl.minimum(lattice, 1e9).to(tl.int32)
            k = tl.where(hit, k + 1, tl.maximum(k + 1, skipped))
            t = start + (k.to(tl.float32) + shift) * step
        active = active & (t < leave) & (found < most)
    if not WRITE:
        tl.store(out + ray, found, mask=inside)
        tl.store(first + ray, beginning, mask=inside)


@jit
def _count(  # type: ignore[no-untyped-def]
    origins, directions, near, jitter, occupancy, coarse, counts, first,
    count, limit, far, step, step_max, cone,
    RESOLUTION: tl.constexpr, CASCADES: tl.constexpr, HALF: tl.constexpr, CONE: tl.constexpr,
    BLOCKED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    _march(
        origins, directions, near, jitter, occupancy, coarse, first, counts,
        first, first, first, first,  # nothing is written
        count, limit, far, step, step_max, cone,
        False, RESOLUTION, CASCADES, HALF, CONE, BLOCKED, BLOCK,
    )  # fmt: skip


@jit
def _write(  # type: ignore[no-untyped-def]
    origins, directions, near, jitter, occupancy, coarse, offsets, first,
    positions, ts, owners, deltas,
    count, limit, far, step, step_max, cone,
    RESOLUTION: tl.constexpr, CASCADES: tl.constexpr, HALF: tl.constexpr, CONE: tl.constexpr,
    BLOCKED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    _march(
        origins, directions, near, jitter, occupancy, coarse, first, offsets,
        positions, ts, owners, deltas,
        count, limit, far, step, step_max, cone,
        True, RESOLUTION, CASCADES, HALF, CONE, BLOCKED, BLOCK,
    )  # fmt: skip
