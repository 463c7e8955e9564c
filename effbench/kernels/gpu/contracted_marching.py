"""Marching through contracted space in Triton: count, prefix sum, write; a lane has a ray.

Multiplications and additions are not fused, so that both passes place samples at the same
distances. A ray makes about as many steps as the grid has cells along an axis: none are skipped.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch
from effbench.kernels.gpu.compaction import make_slots
from effbench.kernels.samples import Samples, offsets_of

_RAYS = 32  # per program


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
    norm: str,
    capacity: int | None,
) -> Samples:
    """See `effbench.kernels.contracted_marching.march_contracted`."""
    count = len(origins)
    rays = tuple(x.contiguous() for x in (origins, directions, near, jitter))
    counts = torch.empty(count, dtype=torch.int32, device=origins.device)
    scalars = (count, limit, float(far), float(step))
    constants = {
        "RESOLUTION": resolution,
        "CUBIC": norm == "linf",
        "BLOCK": _RAYS,
        "num_warps": 1,
        "enable_fp_fusion": False,
    }
    grid = (blocks(count, _RAYS),)
    launch(_count, grid, *rays, occupancy, counts, *scalars, **constants)
    offsets = offsets_of(counts)
    if capacity is None:
        samples, _ = make_slots(int(offsets[-1]), offsets, None, filled=False)
    else:
        clipped = offsets.clamp_max(capacity)
        samples, _ = make_slots(capacity, clipped, offsets[-1], filled=True)
    out = (samples.offsets, samples.positions, samples.t, samples.rays, samples.deltas)
    launch(_write, grid, *rays, occupancy, *out, *scalars, **constants)
    return samples


@jit
def _ahead(ux, uy, uz, dx, dy, dz, step, CUBIC: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return m and the distance to the next sample at points u."""
    ax, ay, az = tl.abs(ux), tl.abs(uy), tl.abs(uz)
    if CUBIC:
        length = tl.maximum(ax, tl.maximum(ay, az))
        growth = tl.where(uz > 0, dz, -dz)
        growth = tl.where(ay >= length, tl.where(uy > 0, dy, -dy), growth)
        growth = tl.where(ax >= length, tl.where(ux > 0, dx, -dx), growth)
        m = tl.maximum(length, 1.0)
    else:
        m = tl.maximum(tl.sqrt(ux * ux + uy * uy + uz * uz), 1.0)
        growth = (ux * dx + uy * dy + uz * dz) / m
    inverse = 1.0 / m
    a = (2.0 * m - 1.0) * inverse * inverse
    b = 2.0 * (1.0 - m) * inverse * inverse * inverse * growth
    vx, vy, vz = a * dx + b * ux, a * dy + b * uy, a * dz + b * uz
    return m, 2.0 * step / tl.sqrt(vx * vx + vy * vy + vz * vz)


@jit
def _cell(x, RESOLUTION: tl.constexpr):  # type: ignore[no-untyped-def]
    return tl.minimum(tl.maximum((x * RESOLUTION).to(tl.int32), 0), RESOLUTION - 1)


@jit
def _march(  # type: ignore[no-untyped-def]
    origins, directions, near, jitter, occupancy, out, positions, ts, owners, deltas,
    count, limit, far, step,
    WRITE: tl.constexpr, RESOLUTION: tl.constexpr, CUBIC: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Walk along the rays. `out`: where the counts go or, to WRITE, the offsets to write at."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < count
    ox = 2.0 * tl.load(origins + ray * 3, mask=inside, other=0.0) - 1.0
    oy = 2.0 * tl.load(origins + ray * 3 + 1, mask=inside, other=0.0) - 1.0
    oz = 2.0 * tl.load(origins + ray * 3 + 2, mask=inside, other=0.0) - 1.0
    dx = tl.load(directions + ray * 3, mask=inside, other=1.0)
    dy = tl.load(directions + ray * 3 + 1, mask=inside, other=0.0)
    dz = tl.load(directions + ray * 3 + 2, mask=inside, other=0.0)
    start = tl.load(near + ray, mask=inside, other=0.0)
    meets = inside & (start < far)
    start = tl.where(meets, start, 0.0)  # some may be infinite
    along = 2.0 * start  # u moves by twice the distance
    _, first = _ahead(ox + along * dx, oy + along * dy, oz + along * dz, dx, dy, dz, step, CUBIC)
    t = start + tl.load(jitter + ray, mask=inside, other=0.0) * first
    if WRITE:
        slot = tl.load(out + ray, mask=inside, other=0)
        most = (tl.load(out + ray + 1, mask=inside, other=0) - slot).to(tl.int32)
    else:
        most = tl.full([BLOCK], 0, tl.int32) + limit
    found = tl.zeros([BLOCK], tl.int32)
    active = meets & (t < far) & (found < most)
    while tl.max(active.to(tl.int32), 0) > 0:
        along = 2.0 * t
        ux, uy, uz = ox + along * dx, oy + along * dy, oz + along * dz
        m, ahead = _ahead(ux, uy, uz, dx, dy, dz, step, CUBIC)
        inverse = 1.0 / m
        scale = (2.0 - inverse) * inverse * 0.25
        x, y, z = ux * scale + 0.5, uy * scale + 0.5, uz * scale + 0.5
        cell = _cell(z, RESOLUTION) * RESOLUTION + _cell(y, RESOLUTION)
        cell = cell * RESOLUTION + _cell(x, RESOLUTION)
        byte = tl.load(occupancy + cell // 8, mask=active, other=0).to(tl.int32)
        hit = active & (((byte >> (cell % 8)) & 1) > 0)
        if WRITE:
            at = slot + found
            tl.store(positions + at * 3, x, mask=hit)
            tl.store(positions + at * 3 + 1, y, mask=hit)
            tl.store(positions + at * 3 + 2, z, mask=hit)
            tl.store(ts + at, t, mask=hit)
            tl.store(owners + at, ray, mask=hit)
            shrunk = tl.exp2(tl.log2(2.0 * m - 1.0) * (2.0 / 3.0)) * inverse * inverse
            tl.store(deltas + at, 0.5 * ahead * shrunk, mask=hit)
        found += hit.to(tl.int32)
        t = tl.where(active, t + ahead, t)
        active = active & (t < far) & (found < most)
    if not WRITE:
        tl.store(out + ray, found, mask=inside)


@jit
def _count(  # type: ignore[no-untyped-def]
    origins, directions, near, jitter, occupancy, counts, count, limit, far, step,
    RESOLUTION: tl.constexpr, CUBIC: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    _march(
        origins, directions, near, jitter, occupancy, counts,
        near, near, near, near,  # nothing is written
        count, limit, far, step, False, RESOLUTION, CUBIC, BLOCK,
    )  # fmt: skip


@jit
def _write(  # type: ignore[no-untyped-def]
    origins, directions, near, jitter, occupancy, offsets, positions, ts, owners, deltas,
    count, limit, far, step,
    RESOLUTION: tl.constexpr, CUBIC: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    _march(
        origins, directions, near, jitter, occupancy, offsets, positions, ts, owners, deltas,
        count, limit, far, step, True, RESOLUTION, CUBIC, BLOCK,
    )  # fmt: skip
