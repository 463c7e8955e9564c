"""Layers of small networks in numba, 8 rows at a time in registers (`vectors`)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from effbench.kernels.cpu import SERIAL_WITH_NAN
from effbench.kernels.cpu.vectors import (
    COLUMNS,
    ROWS,
    tile_add,
    tile_add_relu,
    tile_relu,
    tile_set,
)

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
        for column in range(0, outer, COLUMNS):
            tile_relu(
                x, row * width, width, 1, flat, column, outer, h, row * outer + column, outer, inner
            )  # fmt: skip


@njit(**SERIAL_WITH_NAN)
def layer_add_relu(x, width, w, h, rows):  # type: ignore[no-untyped-def]
    """h = relu(h + x W), of the first rows of x that W has, as in `layer_relu`."""
    inner, outer = w.shape
    flat = w.reshape(-1)
    for row in range(0, rows, ROWS):
        for column in range(0, outer, COLUMNS):
            tile_add_relu(
                x, row * width, width, 1, flat, column, outer, h, row * outer + column, outer, inner
            )  # fmt: skip


@njit(**SERIAL_WITH_NAN)
def layer(x, width, w, y, rows):  # type: ignore[no-untyped-def]
    """y = x W, as in `layer_relu`."""
    inner, outer = w.shape
    flat = w.reshape(-1)
    for row in range(0, rows, ROWS):
        for column in range(0, outer, COLUMNS):
            tile_set(
                x, row * width, width, 1, flat, column, outer, y, row * outer + column, outer, inner
            )  # fmt: skip


@njit(**SERIAL_WITH_NAN)
def add_weight_gradient(slope, width, x, inputs, gradient, rows):  # type: ignore[no-untyped-def]
    """gradient += slopeᵀ x for gradient [O, I], O a multiple of 8 and I one of 16, and flat
    slope [rows, width ≥ O] and x [rows, inputs ≥ I]."""
    outer, inner = gradient.shape
    flat = gradient.reshape(-1)
    for row in range(0, outer, ROWS):
        for column in range(0, inner, COLUMNS):
            tile_add(
                slope, row, 1, width, x, column, inputs, flat, row * inner + column, inner, rows
            )  # fmt: skip
