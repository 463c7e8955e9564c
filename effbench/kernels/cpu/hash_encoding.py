"""Hash encoding in numba: chunks of points forward, whole levels backward.

A task encodes all of its points at one level before the next: the level's table then stays in the
core's L2 cache, which is worth more than keeping the points there.

The backward pass gives each level to one thread, so it needs no atomics and is deterministic. With
more threads than levels the rows of a level are shared out as well; then gradients are summed in
registers until the cell changes, since samples of a ray are consecutive and often share one.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL
from effbench.kernels.cpu.hash_blocks import CORNERS, P1, P2, add_gradient, encode
from effbench.kernels.hash_layout import HashLayout

_CHUNK = 32768  # most points per task
_u32, _f32 = np.uint32, np.float32


def forward(
    positions: NDArray[np.float32],
    table: NDArray[np.float32],
    layout: HashLayout,
    features: NDArray[np.float32],
) -> None:
    """Write the encoding of [N, 3] `positions` into [N, 2·L] `features`."""
    tasks = numba.get_num_threads() * max(1, round(len(positions) / _CHUNK))
    _forward(
        *np.ascontiguousarray(positions.T),
        table.reshape(-1),
        *(layout.scales, layout.strides, layout.dense, layout.offsets),
        *(features.reshape(-1), layout.width, max(1, -(-len(positions) // tasks))),
    )


def backward(
    positions: NDArray[np.float32],
    gradient: NDArray[np.float32],
    layout: HashLayout,
    table_grad: NDArray[np.float32],
) -> None:
    """Write the gradient of the table [S, 2] that an output `gradient` [N, 2·L] has. A level is
    cleared by the thread that then adds to it, in whose cache it stays."""
    shares = -(-numba.get_num_threads() // layout.levels)
    levels = (layout.scales, layout.strides, layout.dense, layout.offsets)
    order = _balanced_order(layout.levels)
    if shares > 1:
        _backward_in_shares(positions, gradient, *levels, table_grad, order, shares)
        return
    columns = np.ascontiguousarray(positions.T)
    flat = gradient.reshape(-1)
    _backward(*columns, flat, layout.width, *levels, table_grad.reshape(-1), order)


def _balanced_order(levels: int) -> NDArray[np.int64]:
    """Order levels so that two contiguous halves cost the same: fine levels cost most."""
    return np.array([*range(0, levels, 2), *reversed(range(1, levels, 2))], np.int64)


@njit(inline="always")
def _cell(positions, i, scale):  # type: ignore[no-untyped-def]
    """Return the cell's first vertex and the fraction within the cell."""
    half = _f32(0.5)
    x, y, z = (
        positions[i, 0] * scale + half,
        positions[i, 1] * scale + half,
        positions[i, 2] * scale + half,
    )
    cx, cy, cz = np.int32(x), np.int32(y), np.int32(z)
    return _u32(cx), _u32(cy), _u32(cz), x - _f32(cx), y - _f32(cy), z - _f32(cz)


@njit(inline="always")
def _rows(cx, cy, cz, dense, stride, mask):  # type: ignore[no-untyped-def]
    """Return the level's rows of the cell's eight vertices, x fastest."""
    one = _u32(1)
    if dense:
        y0, z0 = cy * stride, cz * stride * stride
        y1, z1 = y0 + stride, z0 + stride * stride
        a, b, c, d, e = y0 + z0, y1 + z0, y0 + z1, y1 + z1, cx + one
        return cx + a, e + a, cx + b, e + b, cx + c, e + c, cx + d, e + d
    y0, z0 = cy * P1, cz * P2
    y1, z1 = y0 + P1, z0 + P2
    a, b, c, d, e = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1, cx + one
    return (
        (cx ^ a) & mask,
        (e ^ a) & mask,
        (cx ^ b) & mask,
        (e ^ b) & mask,
        (cx ^ c) & mask,
        (e ^ c) & mask,
        (cx ^ d) & mask,
        (e ^ d) & mask,
    )


@njit(inline="always")
def _weights(fx, fy, fz):  # type: ignore[no-untyped-def]
    """Return the trilinear weights of the cell's eight vertices, x fastest."""
    gx, gy, gz = _f32(1) - fx, _f32(1) - fy, _f32(1) - fz
    a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
    return a * gx, a * fx, b * gx, b * fx, c * gx, c * fx, d * gx, d * fx


@njit(**PARALLEL)
def _forward(px, py, pz, table, scales, strides, dense, offsets, features, width, points):  # type: ignore[no-untyped-def]
    count = len(px)
    for task in prange((count + points - 1) // points):
        start, stop = task * points, min(count, (task + 1) * points)
        index = np.zeros((2, CORNERS), np.uint32)
        weights = np.zeros((2, CORNERS), np.float32)
        encode(
            px[start:stop], py[start:stop], pz[start:stop], table, scales, strides, dense, offsets,
            features[start * width : stop * width], width, stop - start, index, weights,
        )  # fmt: skip


@njit(**PARALLEL)
def _backward(px, py, pz, gradient, width, scales, strides, dense, offsets, table_grad, order):  # type: ignore[no-untyped-def]
    for task in prange(len(order)):
        level = order[task]
        rows = table_grad[2 * offsets[level] : 2 * offsets[level + 1]]
        rows[:] = _f32(0)
        index = np.zeros((2, CORNERS), np.uint32)
        weights = np.zeros((2, CORNERS), np.float32)
        add_gradient(
            px, py, pz, rows, scales[level], strides[level], dense[level],
            _u32(len(rows) // 2 - 1), gradient, width, 2 * level, len(px), index, weights,
        )  # fmt: skip


@njit(inline="always")
def _add(rows, i, first, last, u, v):  # type: ignore[no-untyped-def]
    if first <= i < last:
        rows[i, 0] += u
        rows[i, 1] += v


@njit(**SERIAL)
def _backward_level(positions, gradient, scale, stride, dense, mask, rows, column, first, last):  # type: ignore[no-untyped-def]
    zero = _f32(0)
    px = py = pz = _u32(0xFFFFFFFF)
    u0 = u1 = u2 = u3 = u4 = u5 = u6 = u7 = zero
    v0 = v1 = v2 = v3 = v4 = v5 = v6 = v7 = zero
    count = len(positions)
    for i in range(count + 1):
        if i < count:
            cx, cy, cz, fx, fy, fz = _cell(positions, i, scale)
        if i == count or cx != px or cy != py or cz != pz:
            if i > 0:
                i0, i1, i2, i3, i4, i5, i6, i7 = _rows(px, py, pz, dense, stride, mask)
                _add(rows, i0, first, last, u0, v0)
                _add(rows, i1, first, last, u1, v1)
                _add(rows, i2, first, last, u2, v2)
                _add(rows, i3, first, last, u3, v3)
                _add(rows, i4, first, last, u4, v4)
                _add(rows, i5, first, last, u5, v5)
                _add(rows, i6, first, last, u6, v6)
                _add(rows, i7, first, last, u7, v7)
            if i == count:
                break
            px, py, pz = cx, cy, cz
            u0 = u1 = u2 = u3 = u4 = u5 = u6 = u7 = zero
            v0 = v1 = v2 = v3 = v4 = v5 = v6 = v7 = zero
        w0, w1, w2, w3, w4, w5, w6, w7 = _weights(fx, fy, fz)
        u, v = gradient[i, column], gradient[i, column + 1]
        u0 += w0 * u
        v0 += w0 * v
        u1 += w1 * u
        v1 += w1 * v
        u2 += w2 * u
        v2 += w2 * v
        u3 += w3 * u
        v3 += w3 * v
        u4 += w4 * u
        v4 += w4 * v
        u5 += w5 * u
        v5 += w5 * v
        u6 += w6 * u
        v6 += w6 * v
        u7 += w7 * u
        v7 += w7 * v


@njit(**PARALLEL)
def _backward_in_shares(  # type: ignore[no-untyped-def]
    positions, gradient, scales, strides, dense, offsets, table_grad, order, shares
):
    for task in prange(len(order) * shares):
        level, share = order[task // shares], task % shares
        rows = table_grad[offsets[level] : offsets[level + 1]]
        count = len(rows)
        rows[count * share // shares : count * (share + 1) // shares] = _f32(0)
        _backward_level(
            positions,
            gradient,
            scales[level],
            strides[level],
            dense[level],
            _u32(count - 1),
            rows,
            2 * level,
            _u32(count * share // shares),
            _u32(count * (share + 1) // shares),
        )
