"""Rays in numba: from pixels to origins and directions, to colours, and to spherical harmonics."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 256  # rays per task
_f32 = np.float32
_EXACT = {**PARALLEL, "fastmath": False}  # rounded as torch rounds: the same rays by any way


@njit(**{**SERIAL, "fastmath": False})
def _ray(pose, a, b, origin, direction):  # type: ignore[no-untyped-def]
    x = pose[0, 0] * a + pose[0, 1] * b - pose[0, 2]
    y = pose[1, 0] * a + pose[1, 1] * b - pose[1, 2]
    z = pose[2, 0] * a + pose[2, 1] * b - pose[2, 2]
    inverse = _f32(1) / _f32(math.sqrt(x * x + y * y + z * z))
    direction[0], direction[1], direction[2] = x * inverse, y * inverse, z * inverse
    for axis in range(3):
        origin[axis] = pose[axis, 3]


@njit(**_EXACT)
def generate(poses, fx, fy, cx, cy, view, x, y, origins, directions):  # type: ignore[no-untyped-def]
    """Write `origins` and `directions` [R, 3]; see `effbench.kernels.rays.generate_rays`."""
    rays = len(view)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            a = _f32((x[r] + 0.5 - cx) / fx)
            b = _f32(-(y[r] + 0.5 - cy) / fy)
            _ray(poses[view[r]], a, b, origins[r], directions[r])


@njit(**_EXACT)
def look_up(  # type: ignore[no-untyped-def]
    pixel, colors, poses, fx, fy, cx, cy, height, width, corner, side, origins, directions, found
):
    """Write what `effbench.kernels.pixels.look_up` returns."""
    rays = len(pixel)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            row = pixel[r] // width
            a = _f32((pixel[r] % width + 0.5 - cx) / fx)
            b = _f32(-(row % height + 0.5 - cy) / fy)
            _ray(poses[row // height], a, b, origins[r], directions[r])
            for axis in range(3):
                origins[r, axis] = (origins[r, axis] - corner[axis]) / side
            for channel in range(colors.shape[1]):
                found[r, channel] = _f32(colors[pixel[r], channel]) / _f32(255)


@njit(**SERIAL)
def write_harmonics(d, out):  # type: ignore[no-untyped-def]
    """Write the spherical harmonics of a direction: `effbench.kernels.rays`."""
    x, y, z = d[0], d[1], d[2]
    xx, yy, zz = x * x, y * y, z * z
    out[0] = _f32(0.28209479177387814)
    out[1] = _f32(-0.48860251190291987) * y
    out[2] = _f32(0.48860251190291987) * z
    out[3] = _f32(-0.48860251190291987) * x
    out[4] = _f32(1.0925484305920792) * x * y
    out[5] = _f32(-1.0925484305920792) * y * z
    out[6] = _f32(0.94617469575755997) * zz - _f32(0.31539156525251999)
    out[7] = _f32(-1.0925484305920792) * x * z
    out[8] = _f32(0.54627421529603959) * (xx - yy)
    out[9] = _f32(0.59004358992664352) * y * (yy - _f32(3) * xx)
    out[10] = _f32(2.8906114426405538) * x * y * z
    out[11] = _f32(0.45704579946446572) * y * (_f32(1) - _f32(5) * zz)
    out[12] = _f32(0.3731763325901154) * z * (_f32(5) * zz - _f32(3))
    out[13] = _f32(0.45704579946446572) * x * (_f32(1) - _f32(5) * zz)
    out[14] = _f32(1.4453057213202769) * z * (xx - yy)
    out[15] = _f32(0.59004358992664352) * x * (_f32(3) * yy - xx)


@njit(**PARALLEL)
def all_harmonics(directions, out):  # type: ignore[no-untyped-def]
    """Write the spherical harmonics of directions [R, 3] into [R, 16]."""
    rays = len(directions)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            write_harmonics(directions[r], out[r])
