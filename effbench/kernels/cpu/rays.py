"""Ray generation in numba: one pass from pixel to origin and direction."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 256  # rays per task
_f32 = np.float32


@njit(**SERIAL)
def _ray(pose, a, b, origin, direction):  # type: ignore[no-untyped-def]
    x = pose[0, 0] * a + pose[0, 1] * b - pose[0, 2]
    y = pose[1, 0] * a + pose[1, 1] * b - pose[1, 2]
    z = pose[2, 0] * a + pose[2, 1] * b - pose[2, 2]
    inverse = _f32(1) / _f32(math.sqrt(x * x + y * y + z * z))
    direction[0], direction[1], direction[2] = x * inverse, y * inverse, z * inverse
    for axis in range(3):
        origin[axis] = pose[axis, 3]


@njit(**PARALLEL)
def generate(poses, fx, fy, cx, cy, view, x, y, origins, directions):  # type: ignore[no-untyped-def]
    """Write `origins` and `directions` [R, 3]; see `effbench.kernels.rays.generate_rays`."""
    rays = len(view)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            a = _f32((x[r] + 0.5 - cx) / fx)
            b = _f32(-(y[r] + 0.5 - cy) / fy)
            _ray(poses[view[r]], a, b, origins[r], directions[r])
