"""Densities of points in numba: encoded and taken through the density network in one pass."""

from __future__ import annotations

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL_WITH_NAN
from effbench.kernels.cpu.hash_blocks import CORNERS, encode
from effbench.kernels.cpu.layers import CHUNK, first_outputs
from effbench.kernels.cpu.vectors import COLUMNS, ROWS, exp_16
from effbench.kernels.hash_layout import HashLayout

_POINTS = 2048  # of a level one after the other, whose entries neighbours share
Array = NDArray[np.float32]


def densities(
    positions: Array, table: Array, layout: HashLayout, weights: tuple[Array, Array]
) -> Array:
    """Return the density [N] at positions [N, 3]; see `effbench.kernels.densities`. weights: W1ᵀ,
    W2ᵀ of the density network, padded (`layers.padded`)."""
    found = np.empty(len(positions), np.float32)
    _densities(
        *(positions, table.reshape(-1), layout.scales, layout.strides, layout.dense),
        *(layout.offsets, weights, found, numba.get_num_threads()),
    )
    return found


@njit(**SERIAL_WITH_NAN)
def _share(  # type: ignore[no-untyped-def]
    positions, table, scales, strides, dense, offsets, weights, found, task, tasks
):
    w1, w2 = weights
    width, inner, outputs = w1.shape[0], w1.shape[1], w2.shape[1]
    room = _POINTS + ROWS
    px, py, pz = np.empty(room, np.float32), np.empty(room, np.float32), np.empty(room, np.float32)
    encoded = np.zeros(room * width, np.float32)
    hidden = np.empty(CHUNK * inner, np.float32)
    out = np.empty(CHUNK * outputs, np.float32)
    values = np.zeros(room + COLUMNS, np.float32)
    index = np.zeros((2, CORNERS), np.uint32)
    factors = np.zeros((2, CORNERS), np.float32)
    total = len(positions)
    for start in range(task * _POINTS, total, tasks * _POINTS):
        count = min(_POINTS, total - start)
        stop = (count + ROWS - 1) // ROWS * ROWS
        for i in range(count):
            px[i], py[i], pz[i] = (
                positions[start + i, 0],
                positions[start + i, 1],
                positions[start + i, 2],
            )
        for i in range(count, stop):
            px[i] = py[i] = pz[i] = np.float32(0.5)
        encode(
            px, py, pz, table, scales, strides, dense, offsets, encoded, width, stop, index, factors
        )  # fmt: skip
        first_outputs(encoded, width, w1, w2, hidden, out, values, stop)
        for at in range(0, stop, COLUMNS):
            exp_16(values, at)
        for i in range(count):
            found[start + i] = values[i]


@njit(**PARALLEL)
def _densities(positions, table, scales, strides, dense, offsets, weights, found, tasks):  # type: ignore[no-untyped-def]
    for task in prange(tasks):
        _share(positions, table, scales, strides, dense, offsets, weights, found, task, tasks)
