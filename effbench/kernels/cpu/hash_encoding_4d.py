"""Hash encoding with a fourth axis in numba: chunks of points forward, whole levels backward."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL
from effbench.kernels.cpu.hash_blocks import P1, P2

_CHUNK = 1024  # points per task
_u32, _i64, _f32 = np.uint32, np.int64, np.float32
_P3 = _u32(3674653429)

# Per level: scale in space and along the fourth axis; vertices per axis of both, first row, rows.
Levels = tuple[NDArray[np.float32], NDArray[np.int64]]


def forward(
    points: NDArray[np.float32],
    table: NDArray[np.float32],
    levels: Levels,
    features: NDArray[np.float32],
) -> None:
    """Write the encoding of [N, 4] `points` into [N, 2·L] `features`."""
    _forward(points, table, *levels, features)


def backward_table(
    points: NDArray[np.float32],
    gradient: NDArray[np.float32],
    levels: Levels,
    table_grad: NDArray[np.float32],
) -> None:
    """Add the [N, 2·L] output `gradient` to the [S, 2] `table_grad`."""
    _backward_table(points, gradient, *levels, table_grad)


def backward_points(
    points: NDArray[np.float32],
    gradient: NDArray[np.float32],
    table: NDArray[np.float32],
    levels: Levels,
    out: NDArray[np.float32],
) -> None:
    """Write the gradient by `points` [N, 4] of an output `gradient` [N, 2·L] to `out`."""
    _backward_points(points, gradient, table, *levels, out)


@njit(inline="always")
def _row(x, y, z, w, shape):  # type: ignore[no-untyped-def]
    """Return the row of a vertex. shape: a level's four integers."""
    side, depth, first, rows = shape[0], shape[1], shape[2], shape[3]
    if side * side * side * depth <= rows:
        return first + x + side * (y + side * (z + side * w))
    return first + _i64((_u32(x) ^ (_u32(y) * P1) ^ (_u32(z) * P2) ^ (_u32(w) * _P3)) % _u32(rows))


@njit(inline="always")
def _cell(points, i, scale):  # type: ignore[no-untyped-def]
    """Return a point's cell and its place in it, along each axis. scale: a level's two."""
    half = _f32(0.5)
    x, y, z = points[i, 0] * scale[0], points[i, 1] * scale[0], points[i, 2] * scale[0]
    x, y, z, w = x + half, y + half, z + half, points[i, 3] * scale[1] + half
    a, b, c, d = _i64(x), _i64(y), _i64(z), _i64(w)
    return a, b, c, d, x - _f32(a), y - _f32(b), z - _f32(c), w - _f32(d)


@njit(**PARALLEL)
def _forward(points, table, scales, shapes, features):  # type: ignore[no-untyped-def]
    count = len(points)
    for task in prange((count + _CHUNK - 1) // _CHUNK):
        first, last = task * _CHUNK, min(count, (task + 1) * _CHUNK)
        for level in range(len(scales)):
            _encode(points, table, scales[level], shapes[level], features, level, first, last)


@njit(**SERIAL)
def _encode(points, table, scale, shape, features, level, first, last):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        cx, cy, cz, cw, fx, fy, fz, fw = _cell(points, i, scale)
        u = v = _f32(0)
        for corner in range(16):
            x, y, z, w = corner & 1, corner >> 1 & 1, corner >> 2 & 1, corner >> 3
            weight = (fx if x else _f32(1) - fx) * (fy if y else _f32(1) - fy)
            weight *= (fz if z else _f32(1) - fz) * (fw if w else _f32(1) - fw)
            row = _row(cx + x, cy + y, cz + z, cw + w, shape)
            u += weight * table[row, 0]
            v += weight * table[row, 1]
        features[i, 2 * level], features[i, 2 * level + 1] = u, v


@njit(**PARALLEL)
def _backward_table(points, gradient, scales, shapes, table_grad):  # type: ignore[no-untyped-def]
    for level in prange(len(scales)):
        _scatter(points, gradient, scales[level], shapes[level], level, table_grad)


@njit(**SERIAL)
def _scatter(points, gradient, scale, shape, level, table_grad):  # type: ignore[no-untyped-def]
    for i in range(len(points)):
        u, v = gradient[i, 2 * level], gradient[i, 2 * level + 1]
        if u == 0 and v == 0:
            continue
        cx, cy, cz, cw, fx, fy, fz, fw = _cell(points, i, scale)
        for corner in range(16):
            x, y, z, w = corner & 1, corner >> 1 & 1, corner >> 2 & 1, corner >> 3
            weight = (fx if x else _f32(1) - fx) * (fy if y else _f32(1) - fy)
            weight *= (fz if z else _f32(1) - fz) * (fw if w else _f32(1) - fw)
            row = _row(cx + x, cy + y, cz + z, cw + w, shape)
            table_grad[row, 0] += weight * u
            table_grad[row, 1] += weight * v


@njit(**PARALLEL)
def _backward_points(points, gradient, table, scales, shapes, out):  # type: ignore[no-untyped-def]
    count = len(points)
    for task in prange((count + _CHUNK - 1) // _CHUNK):
        first, last = task * _CHUNK, min(count, (task + 1) * _CHUNK)
        out[first:last] = 0
        for level in range(len(scales)):
            _slopes(points, gradient, table, scales[level], shapes[level], level, out, first, last)


@njit(**SERIAL)
def _slopes(points, gradient, table, scale, shape, level, out, first, last):  # type: ignore[no-untyped-def]
    one = _f32(1)
    for i in range(first, last):
        cx, cy, cz, cw, fx, fy, fz, fw = _cell(points, i, scale)
        u, v = gradient[i, 2 * level], gradient[i, 2 * level + 1]
        dx = dy = dz = dw = _f32(0)
        for corner in range(16):
            x, y, z, w = corner & 1, corner >> 1 & 1, corner >> 2 & 1, corner >> 3
            wx, wy = fx if x else one - fx, fy if y else one - fy
            wz, ww = fz if z else one - fz, fw if w else one - fw
            row = _row(cx + x, cy + y, cz + z, cw + w, shape)
            value = u * table[row, 0] + v * table[row, 1]
            dx += (value if x else -value) * wy * wz * ww
            dy += (value if y else -value) * wx * wz * ww
            dz += (value if z else -value) * wx * wy * ww
            dw += (value if w else -value) * wx * wy * wz
        out[i, 0] += scale[0] * dx
        out[i, 1] += scale[0] * dy
        out[i, 2] += scale[0] * dz
        out[i, 3] += scale[1] * dw
