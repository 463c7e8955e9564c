"""The gradient of hash encoding by the points that are encoded, in numba: a few points per task."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL
from effbench.kernels.cpu.hash_encoding import _cell, _rows
from effbench.kernels.hash_layout import HashLayout

_CHUNK = 1024  # points per task
_u32, _f32 = np.uint32, np.float32


def backward(
    positions: NDArray[np.float32],
    gradient: NDArray[np.float32],
    table: NDArray[np.float32],
    layout: HashLayout,
) -> NDArray[np.float32]:
    """Return the gradient [N, 3] by `positions` [N, 3] of an output `gradient` [N, 2·L].

    Within a cell the encoding is trilinear; at its faces the gradient is that of the cell which a
    point is counted to.
    """
    out = np.empty_like(positions)
    levels = (layout.scales, layout.strides, layout.dense, layout.offsets)
    _backward(positions, gradient, table, *levels, out)
    return out


@njit(**PARALLEL)
def _backward(positions, gradient, table, scales, strides, dense, offsets, out):  # type: ignore[no-untyped-def]
    count, one = len(positions), _f32(1)
    for task in prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(task * _CHUNK, min(count, (task + 1) * _CHUNK)):
            dx = dy = dz = _f32(0)
            for level in range(len(scales)):
                scale, first = scales[level], offsets[level]
                mask = _u32(offsets[level + 1] - first - 1)
                cx, cy, cz, fx, fy, fz = _cell(positions, i, scale)
                rows = _rows(cx, cy, cz, dense[level], strides[level], mask)
                u, v = gradient[i, 2 * level], gradient[i, 2 * level + 1]
                a = u * table[first + rows[0], 0] + v * table[first + rows[0], 1]
                b = u * table[first + rows[1], 0] + v * table[first + rows[1], 1]
                c = u * table[first + rows[2], 0] + v * table[first + rows[2], 1]
                d = u * table[first + rows[3], 0] + v * table[first + rows[3], 1]
                e = u * table[first + rows[4], 0] + v * table[first + rows[4], 1]
                f = u * table[first + rows[5], 0] + v * table[first + rows[5], 1]
                g = u * table[first + rows[6], 0] + v * table[first + rows[6], 1]
                h = u * table[first + rows[7], 0] + v * table[first + rows[7], 1]
                gx, gy, gz = one - fx, one - fy, one - fz
                along_x = (
                    gy * gz * (b - a) + fy * gz * (d - c) + gy * fz * (f - e) + fy * fz * (h - g)
                )
                along_y = (
                    gx * gz * (c - a) + fx * gz * (d - b) + gx * fz * (g - e) + fx * fz * (h - f)
                )
                along_z = (
                    gx * gy * (e - a) + fx * gy * (f - b) + gx * fy * (g - c) + fx * fy * (h - d)
                )
                dx += scale * along_x
                dy += scale * along_y
                dz += scale * along_z
            out[i, 0], out[i, 1], out[i, 2] = dx, dy, dz
