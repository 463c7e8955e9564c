"""Hash encoding of points in blocks, and its gradient: addresses and weights of 64 points first,
then the entries.

The first part is arithmetic that the compiler vectorises, the second is loads that wait for memory;
together each point would wait for its own. The block after the current one is addressed, and its
entries asked for, before the current one's are read.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from effbench.kernels.cpu import SERIAL
from effbench.kernels.cpu.vectors import LANES, blend, prefetch, spread

CORNERS = 8 * LANES
_f32, _u32 = np.float32, np.uint32
P1, P2 = _u32(2654435761), _u32(805459861)  # of the hash


@njit(**SERIAL)
def _address(px, py, pz, scale, stride, dense, mask, index, weights, start, stop):  # type: ignore[no-untyped-def]
    """Write the rows and weights of the 8 vertices around points start … stop, x fastest."""
    half, one, whole = _f32(0.5), _u32(1), _f32(1)
    a1 = stride if dense else P1
    a2 = stride * stride if dense else P2
    for j in range(stop - start):
        i = start + j
        x, y, z = px[i] * scale + half, py[i] * scale + half, pz[i] * scale + half
        ix, iy, iz = np.int32(x), np.int32(y), np.int32(z)
        fx, fy, fz = x - _f32(ix), y - _f32(iy), z - _f32(iz)
        x0, y0, z0 = _u32(ix), _u32(iy) * a1, _u32(iz) * a2
        x1, y1, z1 = x0 + one, y0 + a1, z0 + a2
        if dense:
            index[j] = x0 + y0 + z0
            index[j + LANES] = x1 + y0 + z0
            index[j + 2 * LANES] = x0 + y1 + z0
            index[j + 3 * LANES] = x1 + y1 + z0
            index[j + 4 * LANES] = x0 + y0 + z1
            index[j + 5 * LANES] = x1 + y0 + z1
            index[j + 6 * LANES] = x0 + y1 + z1
            index[j + 7 * LANES] = x1 + y1 + z1
        else:
            index[j] = (x0 ^ y0 ^ z0) & mask
            index[j + LANES] = (x1 ^ y0 ^ z0) & mask
            index[j + 2 * LANES] = (x0 ^ y1 ^ z0) & mask
            index[j + 3 * LANES] = (x1 ^ y1 ^ z0) & mask
            index[j + 4 * LANES] = (x0 ^ y0 ^ z1) & mask
            index[j + 5 * LANES] = (x1 ^ y0 ^ z1) & mask
            index[j + 6 * LANES] = (x0 ^ y1 ^ z1) & mask
            index[j + 7 * LANES] = (x1 ^ y1 ^ z1) & mask
        gx, gy, gz = whole - fx, whole - fy, whole - fz
        a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
        weights[j] = a * gx
        weights[j + LANES] = a * fx
        weights[j + 2 * LANES] = b * gx
        weights[j + 3 * LANES] = b * fx
        weights[j + 4 * LANES] = c * gx
        weights[j + 5 * LANES] = c * fx
        weights[j + 6 * LANES] = d * gx
        weights[j + 7 * LANES] = d * fx


@njit(**SERIAL)
def _address_ahead(  # type: ignore[no-untyped-def]
    px, py, pz, rows, scale, stride, dense, mask, index, weights, start, stop
):
    """Address a block, and ask for its entries where they may be far away."""
    if dense:  # two calls, each compiled for a constant `dense`
        _address(px, py, pz, scale, stride, True, mask, index, weights, start, stop)
    else:
        _address(px, py, pz, scale, stride, False, mask, index, weights, start, stop)
        for corner in range(0, 8, 2):  # its neighbour in x is often in the same line
            for j in range(stop - start):
                prefetch(rows, np.int64(index[corner * LANES + j]))


@njit(**SERIAL)
def _encode_level(  # type: ignore[no-untyped-def]
    px, py, pz, rows, scale, stride, dense, mask, features, width, column, count, index, weights
):
    """rows: the level's entries, flat; index, weights: [2, 8·64], of this block and the next."""
    where = (px, py, pz, rows, scale, stride, dense, mask)
    _address_ahead(*where, index[0], weights[0], 0, min(count, LANES))
    current = 0
    for start in range(0, count, LANES):
        stop, other = min(count, start + LANES), 1 - current
        if stop < count:
            _address_ahead(*where, index[other], weights[other], stop, min(count, stop + LANES))
        own, own_weights = index[current], weights[current]
        for j in range(stop - start):
            blend(rows, own, own_weights, j, features, (start + j) * width + column)
        current = other


@njit(**SERIAL)
def add_gradient(  # type: ignore[no-untyped-def]
    px, py, pz, rows, scale, stride, dense, mask, gradient, width, column, count, index, weights
):
    """Add the gradient of a level's features to `rows`, the level's entries, flat; gradient: flat,
    `width` per point; otherwise as in `_encode_level`."""
    where = (px, py, pz, rows, scale, stride, dense, mask)
    _address_ahead(*where, index[0], weights[0], 0, min(count, LANES))
    current = 0
    for start in range(0, count, LANES):
        stop, other = min(count, start + LANES), 1 - current
        if stop < count:
            _address_ahead(*where, index[other], weights[other], stop, min(count, stop + LANES))
        own, own_weights = index[current], weights[current]
        for j in range(stop - start):
            spread(rows, own, own_weights, j, gradient, (start + j) * width + column)
        current = other


@njit(**SERIAL)
def encode(  # type: ignore[no-untyped-def]
    px, py, pz, table, scales, strides, dense, offsets, features, width, count, index, weights
):
    """Write the encoding of the first `count` points into `features`, flat, `width` per point.

    table: flat [2·S]; index uint32 and weights float32 [2, CORNERS]: room to work in.
    """
    for level in range(len(scales)):
        rows = table[2 * offsets[level] : 2 * offsets[level + 1]]
        mask = _u32(len(rows) // 2 - 1)
        _encode_level(
            px, py, pz, rows, scales[level], strides[level], dense[level], mask, features, width,
            2 * level, count, index, weights,
        )  # fmt: skip
