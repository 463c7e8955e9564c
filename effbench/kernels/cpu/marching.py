"""Ray marching in numba: each ray fills a row of a slab, then the rows are packed.

Empty space is crossed in strides of blocks of 4³ cells where all of those are empty, since more
than half of the rays of a typical batch meet nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 64  # rays per task: enough to hide the scheduling, few enough to balance
_BLOCK = 4  # cells per axis of a block
_f32 = np.float32


def march(
    origins: NDArray[np.float32],
    directions: NDArray[np.float32],
    near: NDArray[np.float32],
    far: float,
    occupancy: NDArray[np.uint8],
    resolution: int,
    step: float,
    jitter: NDArray[np.float32],
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return (offsets [R + 1], t [N], rays [N], positions [N, 3]); see `effbench.kernels`."""
    rays = len(origins)
    longest = min(limit, math.ceil(math.sqrt(3) / step) + 1)  # the cube's diagonal in steps
    slab = np.empty((rays, longest), np.float32)
    counts = np.empty(rays, np.int64)
    blocks = _occupied_blocks(occupancy, resolution)
    _fill(
        origins,
        directions,
        near,
        _f32(far),
        occupancy,
        blocks,
        resolution,
        _f32(step),
        jitter,
        slab,
        counts,
    )
    offsets = np.zeros(rays + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    total = int(offsets[-1])
    t, ray = np.empty(total, np.float32), np.empty(total, np.int64)
    positions = np.empty((total, 3), np.float32)
    _pack(origins, directions, slab, offsets, t, ray, positions)
    return offsets, t, ray, positions


@njit(**SERIAL)
def _interval(o, d, near, far):  # type: ignore[no-untyped-def]
    """Return (enter, leave) of the unit cube and the reciprocal direction."""
    enter, leave = near, far
    ix = _f32(1) / d[0] if d[0] != 0 else _f32(1e10)
    iy = _f32(1) / d[1] if d[1] != 0 else _f32(1e10)
    iz = _f32(1) / d[2] if d[2] != 0 else _f32(1e10)
    inverse = (ix, iy, iz)
    for axis in range(3):
        a, b = -o[axis] * inverse[axis], (_f32(1) - o[axis]) * inverse[axis]
        enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    return enter, leave, inverse


@njit(**PARALLEL)
def _occupied_blocks(occupancy, resolution):  # type: ignore[no-untyped-def]
    """Return bool [B, B, B] (z, y, x): whether any cell of a block is occupied."""
    size = (resolution + _BLOCK - 1) // _BLOCK
    blocks = np.zeros((size, size, size), np.bool_)
    for bz in prange(size):
        for z in range(bz * _BLOCK, min((bz + 1) * _BLOCK, resolution)):
            for y in range(resolution):
                row = (z * resolution + y) * resolution
                for x in range(resolution):
                    if (occupancy[(row + x) >> 3] >> ((row + x) & 7)) & 1:
                        blocks[bz, y // _BLOCK, x // _BLOCK] = True
    return blocks


@njit(inline="always")
def _exit(cell, forward, scaled, inverse, size):  # type: ignore[no-untyped-def]
    """Return the distance to the face through which a ray leaves `cell` on one axis."""
    return (_f32(cell + forward) - scaled) * inverse / size


@njit(**SERIAL)
def _march_ray(o, d, near, far, occupancy, blocks, resolution, step, jitter, ts):  # type: ignore[no-untyped-def]
    """Write the distances of the ray's samples to `ts`, jumping over empty cells."""
    enter, leave, (ix, iy, iz) = _interval(o, d, max(near, _f32(0)), far)
    size, last = _f32(resolution), resolution - 1
    block_size = size / _f32(_BLOCK)
    px, py, pz = int(d[0] > 0), int(d[1] > 0), int(d[2] > 0)  # the face a ray leaves through
    per_length = _f32(1) / step
    count, k = 0, 0
    while count < len(ts):
        t = enter + (_f32(k) + jitter) * step
        if not t < leave:
            break
        x, y, z = (o[0] + t * d[0]) * size, (o[1] + t * d[1]) * size, (o[2] + t * d[2]) * size
        cx, cy, cz = min(max(int(x), 0), last), min(max(int(y), 0), last), min(max(int(z), 0), last)
        bx, by, bz = cx // _BLOCK, cy // _BLOCK, cz // _BLOCK
        if blocks[bz, by, bx]:
            cell = (cz * resolution + cy) * resolution + cx
            if (occupancy[cell >> 3] >> (cell & 7)) & 1:
                ts[count] = t
                count += 1
                k += 1
                continue
            ahead = min(
                _exit(cx, px, x, ix, size), _exit(cy, py, y, iy, size), _exit(cz, pz, z, iz, size)
            )
        else:
            x, y, z = x / _f32(_BLOCK), y / _f32(_BLOCK), z / _f32(_BLOCK)
            ahead = min(
                _exit(bx, px, x, ix, block_size),
                _exit(by, py, y, iy, block_size),
                _exit(bz, pz, z, iz, block_size),
            )
        lattice = (t + max(ahead, _f32(0)) - enter) * per_length - jitter
        k = max(k + 1, int(lattice) + int(lattice > int(lattice)))
    return count


@njit(**PARALLEL)
def _fill(  # type: ignore[no-untyped-def]
    origins, directions, near, far, occupancy, blocks, resolution, step, jitter, slab, counts
):
    rays = len(origins)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            counts[r] = _march_ray(
                origins[r], directions[r], near[r], far, occupancy, blocks, resolution, step,
                jitter[r], slab[r],
            )  # fmt: skip


@njit(**SERIAL)
def _clamp(value):  # type: ignore[no-untyped-def]
    return min(max(value, _f32(0)), _f32(1))


@njit(**PARALLEL)
def _pack(origins, directions, slab, offsets, t, rays, positions):  # type: ignore[no-untyped-def]
    count = len(origins)
    for chunk in prange((count + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            for i in range(offsets[r], offsets[r + 1]):
                distance = slab[r, i - offsets[r]]
                t[i] = distance
                rays[i] = r
                for axis in range(3):
                    positions[i, axis] = _clamp(origins[r, axis] + distance * directions[r, axis])
