"""The first and the last occupied cell of rays in numba: from both ends, to the first one met."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 256  # rays per task
_f32 = np.float32


@njit(**SERIAL)
def _cell(position, resolution):  # type: ignore[no-untyped-def]
    cell = int((position + _f32(1)) * (_f32(resolution) / _f32(2)))
    return min(max(cell, 0), resolution - 1)


@njit(**SERIAL)
def _met(origin, direction, along, occupied, resolution):  # type: ignore[no-untyped-def]
    x = _cell(origin[0] + along * direction[0], resolution)
    y = _cell(origin[1] + along * direction[1], resolution)
    z = _cell(origin[2] + along * direction[2], resolution)
    return occupied[(z * resolution + y) * resolution + x] != 0


@njit(**PARALLEL)
def spans(  # type: ignore[no-untyped-def]
    origins, directions, near, far, occupied, enter, leave, resolution, lookups
):
    """Write `enter` and `leave` [R]; see `effbench.kernels.occupied_spans.occupied_spans`."""
    rays = len(near)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            step = (far[r] - near[r]) / _f32(lookups)
            enter[r] = leave[r] = near[r]
            first = 0
            while first < lookups and not _met(
                origins[r], directions[r], near[r] + step * _f32(first + 0.5), occupied, resolution
            ):
                first += 1
            if first == lookups:
                continue
            last = lookups - 1
            while not _met(
                origins[r], directions[r], near[r] + step * _f32(last + 0.5), occupied, resolution
            ):
                last -= 1
            enter[r] = near[r] + step * _f32(first)
            leave[r] = near[r] + step * _f32(last + 1)
