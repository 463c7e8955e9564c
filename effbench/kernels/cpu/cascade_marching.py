"""Marching through cascades with growing steps in numba; see `effbench.kernels.marching`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL
from effbench.kernels.cpu.contracted_marching import Array, Indices, pack

_CHUNK = 64  # rays per task
_f32 = np.float32


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
    cascades: int,
    cone: float,
    step_max: float,
) -> tuple[Array, Array, Indices, Indices, Array]:
    """Return positions [N, 3], t [N], rays [N], offsets [R + 1] and deltas [N]."""
    chord = math.sqrt(3) * 0.5 * 2**cascades
    longest = min(limit, math.ceil(chord / step) + 1)
    slab = np.empty((len(origins), longest, 5), np.float32)
    counts = np.empty(len(origins), np.int64)
    _fill(
        *(origins, directions, near, _f32(far), occupancy, resolution, _f32(step), jitter),
        *((cascades, _f32(cone), _f32(step_max)), slab, counts),
    )
    return pack(slab, counts)


@njit(inline="always")
def _clamp(x, low, high):  # type: ignore[no-untyped-def]
    return min(max(x, low), high)


@njit(inline="always")
def _free(cell, scaled, d):  # type: ignore[no-untyped-def]
    """Return how far, in cells, a ray goes until it leaves its cell on one axis."""
    if d == 0:
        return _f32(1e9)
    return (_f32(cell + int(d > 0)) - scaled) / d


@njit(**SERIAL)
def interval(o, d, near, far, cascades):  # type: ignore[no-untyped-def]
    """Return the distances at which a ray enters and leaves the outermost box, near to far."""
    half = _f32(0.25) * _f32(1 << cascades)
    enter, leave = max(near, _f32(0)), far
    for axis in range(3):
        inverse = _f32(1) / d[axis] if d[axis] != 0 else _f32(1e10)
        a = (_f32(0.5) - half - o[axis]) * inverse
        b = (_f32(0.5) + half - o[axis]) * inverse
        enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    return enter, leave


@njit(inline="always")
def length_at(t, step, growth):  # type: ignore[no-untyped-def]
    """Return the length of a step at distance t; growth: cascades, cone, longest step."""
    return min(max(t * growth[1], step), growth[2])


@njit(**SERIAL)
def look(o, d, t, length, resolution, cascades):  # type: ignore[no-untyped-def]
    """Return the cell of a ray's point at t, the point, and how far the ray goes on in it."""
    x, y, z = o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]
    px, py, pz = x - _f32(0.5), y - _f32(0.5), z - _f32(0.5)
    outward = max(abs(px), max(abs(py), abs(pz)))
    size, last = _f32(resolution), resolution - 1
    cascade, extent = 0, _f32(1)
    while cascade < cascades - 1 and (outward > extent * _f32(0.5) or length * size > extent):
        cascade += 1
        extent *= _f32(2)
    sx = (px / extent + _f32(0.5)) * size
    sy = (py / extent + _f32(0.5)) * size
    sz = (pz / extent + _f32(0.5)) * size
    cx = min(max(int(sx), 0), last)
    cy = min(max(int(sy), 0), last)
    cz = min(max(int(sz), 0), last)
    cell = ((cascade * resolution + cz) * resolution + cy) * resolution + cx
    ahead = min(_free(cx, sx, d[0]), min(_free(cy, sy, d[1]), _free(cz, sz, d[2])))
    half = _f32(0.25) * _f32(1 << cascades)
    low, high = _f32(0.5) - half, _f32(0.5) + half
    point = (_clamp(x, low, high), _clamp(y, low, high), _clamp(z, low, high))
    return cell, point, max(ahead, _f32(0)) * extent / size


@njit(**SERIAL)
def _march_ray(  # type: ignore[no-untyped-def]
    o, d, near, far, occupancy, resolution, step, jitter, growth, row
):
    enter, leave = interval(o, d, near, far, growth[0])
    if not enter < leave:
        return 0
    t = enter + jitter * length_at(enter, step, growth)
    count = 0
    while t < leave and count < len(row):
        length = length_at(t, step, growth)
        cell, (x, y, z), ahead = look(o, d, t, length, resolution, growth[0])
        if (occupancy[cell >> 3] >> (cell & 7)) & 1:
            row[count, 0], row[count, 1], row[count, 2] = x, y, z
            row[count, 3], row[count, 4] = t, length
            count += 1
            t += length
            continue
        target = t + ahead
        t += length
        while t < target:  # step by step: where samples lie does not depend on what is empty
            t += length_at(t, step, growth)
    return count


@njit(**PARALLEL)
def _fill(  # type: ignore[no-untyped-def]
    origins, directions, near, far, occupancy, resolution, step, jitter, growth, slab, counts,
):  # fmt: skip
    rays = len(origins)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            counts[r] = _march_ray(
                origins[r], directions[r], near[r], far, occupancy, resolution, step, jitter[r],
                growth, slab[r],
            )  # fmt: skip
