"""Layers of small networks in numba, 8 rows at a time in registers (`vectors`)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from effbench.kernels.cpu import SERIAL_WITH_NAN
from effbench.kernels.cpu.vectors import (
    COLUMNS,
    ROWS,
    product_add,
    product_add_relu,
    product_relu,
    product_set,
)

CHUNK = 512  # rows that go through all layers at once, a multiple of ROWS: they stay in the cache
_f32 = np.float32
Array = NDArray[np.float32]


def padded(matrix: Array, rows: int | None = None) -> Array:
    """Return a matrix [K, N] with zeros added: columns to a multiple of 16, and rows if wanted."""
    inner, outer = matrix.shape
    whole = np.zeros((rows or inner, -(-outer // COLUMNS) * COLUMNS), np.float32)
    whole[:inner, :outer] = matrix
    return whole


@njit(**SERIAL_WITH_NAN)
def layer_relu(x, width, w, h, rows):  # type: ignore[no-untyped-def]
    """h = relu(x W) for flat x [rows, width], w [width, N] and flat h [rows, N]."""
    inner, outer = w.shape
    flat = w.reshape(-1)
    for row in range(0, rows, ROWS):
        product_relu(x, row * width, width, 1, flat, outer, h, row * outer, outer, inner, outer)


@njit(**SERIAL_WITH_NAN)
def layer_add_relu(x, width, w, h, rows):  # type: ignore[no-untyped-def]
    """h = relu(h + x W), of the first rows of x that W has, as in `layer_relu`."""
    inner, outer = w.shape
    flat = w.reshape(-1)
    for row in range(0, rows, ROWS):
        product_add_relu(x, row * width, width, 1, flat, outer, h, row * outer, outer, inner, outer)


@njit(**SERIAL_WITH_NAN)
def layer(x, width, w, y, rows):  # type: ignore[no-untyped-def]
    """y = x W, as in `layer_relu`."""
    inner, outer = w.shape
    flat = w.reshape(-1)
    for row in range(0, rows, ROWS):
        product_set(x, row * width, width, 1, flat, outer, y, row * outer, outer, inner, outer)


@njit(**SERIAL_WITH_NAN)
def first_outputs(x, width, w1, w2, hidden, out, found, rows):  # type: ignore[no-untyped-def]
    """Write the first output of a network of two layers for each of `rows` rows of flat x, a
    multiple of 8. hidden, out: room for the layers of CHUNK rows."""
    inner, outputs = w1.shape[1], w2.shape[1]
    for start in range(0, rows, CHUNK):
        some = min(CHUNK, rows - start)
        layer_relu(x[start * width :], width, w1, hidden, some)
        layer(hidden, inner, w2, out, some)
        for i in range(some):
            found[start + i] = out[i * outputs]


@njit(**SERIAL_WITH_NAN)
def cut(slope, activations):  # type: ignore[no-untyped-def]
    """Back through a ReLU: 0 where there was none, of flat arrays; NaN goes through."""
    for i in range(len(slope)):
        slope[i] = _f32(0) if activations[i] <= _f32(0) else slope[i]


@njit(**SERIAL_WITH_NAN)
def add_weight_gradient(slope, width, x, inputs, gradient, rows):  # type: ignore[no-untyped-def]
    """gradient += slopeᵀ x for gradient [O, I], O a multiple of 8 and I one of 16, and flat
    slope [rows, width ≥ O] and x [rows, inputs ≥ I]."""
    outer, inner = gradient.shape
    flat = gradient.reshape(-1)
    for row in range(0, outer, ROWS):
        product_add(slope, row, 1, width, x, inputs, flat, row * inner, inner, rows, inner)
