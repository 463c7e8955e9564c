"""Ray marching in numba: each ray fills a row of a slab, then the rows are packed."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 64  # rays per task: enough to hide the scheduling, few enough to balance
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
    _fill(
        origins,
        directions,
        near,
        _f32(far),
        occupancy,
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


@njit(**SERIAL)
def _march_ray(o, d, near, far, occupancy, resolution, step, jitter, ts):  # type: ignore[no-untyped-def]
    """Write the distances of the ray's samples to `ts`, jumping over empty cells."""
    enter, leave, (ix, iy, iz) = _interval(o, d, max(near, _f32(0)), far)
    size, last = _f32(resolution), resolution - 1
    px = _f32(1) if d[0] > 0 else _f32(0)  # the face through which the ray leaves a cell
    py = _f32(1) if d[1] > 0 else _f32(0)
    pz = _f32(1) if d[2] > 0 else _f32(0)
    per_length = _f32(1) / step
    count, k = 0, 0
    while count < len(ts):
        t = enter + (_f32(k) + jitter) * step
        if not t < leave:
            break
        x, y, z = (o[0] + t * d[0]) * size, (o[1] + t * d[1]) * size, (o[2] + t * d[2]) * size
        cx, cy, cz = min(max(int(x), 0), last), min(max(int(y), 0), last), min(max(int(z), 0), last)
        cell = (cz * resolution + cy) * resolution + cx
        if (occupancy[cell >> 3] >> (cell & 7)) & 1:
            ts[count] = t
            count += 1
            k += 1
        else:
            to_x = (_f32(cx) + px - x) * ix
            to_y = (_f32(cy) + py - y) * iy
            to_z = (_f32(cz) + pz - z) * iz
            exit_t = t + max(min(to_x, to_y, to_z), _f32(0)) / size
            k = max(k + 1, math.ceil((exit_t - enter) * per_length - jitter))
    return count


@njit(**PARALLEL)
def _fill(origins, directions, near, far, occupancy, resolution, step, jitter, slab, counts):  # type: ignore[no-untyped-def]
    rays = len(origins)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            counts[r] = _march_ray(
                origins[r], directions[r], near[r], far, occupancy, resolution, step, jitter[r],
                slab[r],
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
