"""Marching through contracted space in numba: each ray fills rows of slabs, then they are packed.

A ray makes about as many steps as the grid has cells along an axis, so that there is nothing to
gain from jumps over empty ones.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 64  # rays per task
_MOST = 2 * math.sqrt(3)  # no contracted path is as long
_f32 = np.float32
Array = NDArray[np.float32]
Indices = NDArray[np.int64]


def march(
    origins: Array,
    directions: Array,
    near: Array,
    occupancy: NDArray[np.uint8],
    jitter: Array,
    resolution: int,
    step: float,
    limit: int,
    far: float,
    norm: str,
) -> tuple[Array, Array, Indices, Indices, Array]:
    """Return positions [N, 3], t [N], rays [N], offsets [R + 1] and deltas [N]; see
    `effbench.kernels.contracted_marching`."""
    rays = len(origins)
    longest = min(limit, math.ceil(_MOST / step) + 1)
    slab = np.empty((rays, longest, 5), np.float32)
    counts = np.empty(rays, np.int64)
    _fill(
        *(origins, directions, near, _f32(far), occupancy, resolution, _f32(step), jitter),
        *(norm == "linf", slab, counts),
    )
    return pack(slab, counts)


def pack(slab: Array, counts: Indices) -> tuple[Array, Array, Indices, Indices, Array]:
    """Return the first `counts` [R] of each ray's samples in a slab [R, K, 5] of positions, t and
    deltas, as `march` does."""
    offsets = np.zeros(len(slab) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    total = int(offsets[-1])
    positions, ray = np.empty((total, 3), np.float32), np.empty(total, np.int64)
    t, deltas = np.empty(total, np.float32), np.empty(total, np.float32)
    _pack(slab, offsets, positions, t, ray, deltas)
    return positions, t, ray, offsets, deltas


@njit(inline="always")
def _step(ux, uy, uz, dx, dy, dz, step, cubic):  # type: ignore[no-untyped-def]
    """Return m and the distance to the next sample at a point u; cubic: the norm is L∞."""
    ax, ay, az = abs(ux), abs(uy), abs(uz)
    if cubic:
        m = max(ax, max(ay, az))
        if ax >= m:
            growth = dx if ux > 0 else -dx
        elif ay >= m:
            growth = dy if uy > 0 else -dy
        else:
            growth = dz if uz > 0 else -dz
    else:
        m = np.sqrt(ux * ux + uy * uy + uz * uz)
        growth = (ux * dx + uy * dy + uz * dz) / max(m, _f32(1))
    if m <= _f32(1):
        return _f32(1), _f32(2) * step
    inverse = _f32(1) / m
    a = (_f32(2) * m - _f32(1)) * inverse * inverse
    b = _f32(2) * (_f32(1) - m) * inverse * inverse * inverse * growth
    vx, vy, vz = a * dx + b * ux, a * dy + b * uy, a * dz + b * uz
    return m, _f32(2) * step / np.sqrt(vx * vx + vy * vy + vz * vz)


@njit(**SERIAL)
def _march_ray(o, d, near, far, occupancy, resolution, step, jitter, cubic, row):  # type: ignore[no-untyped-def]
    """Write position, distance and length of the ray's samples to `row`; return their number."""
    if not near < far:
        return 0
    size, last = _f32(resolution), resolution - 1
    ox, oy, oz = _f32(2) * o[0] - _f32(1), _f32(2) * o[1] - _f32(1), _f32(2) * o[2] - _f32(1)
    dx, dy, dz = d[0], d[1], d[2]
    along = _f32(2) * near  # u moves by twice the distance
    _, ahead = _step(
        ox + along * dx, oy + along * dy, oz + along * dz, dx, dy, dz, step, cubic
    )  # fmt: skip
    t = near + jitter * ahead
    count = 0
    while count < len(row) and t < far:
        along = _f32(2) * t
        ux, uy, uz = ox + along * dx, oy + along * dy, oz + along * dz
        m, ahead = _step(ux, uy, uz, dx, dy, dz, step, cubic)
        inverse = _f32(1) / m
        scale = (_f32(2) - inverse) * inverse * _f32(0.25)
        x, y, z = ux * scale + _f32(0.5), uy * scale + _f32(0.5), uz * scale + _f32(0.5)
        cx = min(max(int(x * size), 0), last)
        cy = min(max(int(y * size), 0), last)
        cz = min(max(int(z * size), 0), last)
        cell = (cz * resolution + cy) * resolution + cx
        if (occupancy[cell >> 3] >> (cell & 7)) & 1:
            row[count, 0], row[count, 1], row[count, 2], row[count, 3] = x, y, z, t
            shrunk = np.cbrt((_f32(2) * m - _f32(1)) ** 2) * inverse * inverse
            row[count, 4] = _f32(0.5) * ahead * _f32(shrunk)
            count += 1
        t += ahead
    return count


@njit(**PARALLEL)
def _fill(  # type: ignore[no-untyped-def]
    origins, directions, near, far, occupancy, resolution, step, jitter, cubic, slab, counts
):
    rays = len(origins)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            counts[r] = _march_ray(
                origins[r], directions[r], near[r], far, occupancy, resolution, step, jitter[r],
                cubic, slab[r],
            )  # fmt: skip


@njit(**PARALLEL)
def _pack(slab, offsets, positions, t, rays, deltas):  # type: ignore[no-untyped-def]
    count = len(slab)
    for chunk in prange((count + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            for i in range(offsets[r], offsets[r + 1]):
                row = slab[r, i - offsets[r]]
                positions[i, 0], positions[i, 1], positions[i, 2] = row[0], row[1], row[2]
                t[i], deltas[i], rays[i] = row[3], row[4], r
