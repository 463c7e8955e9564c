"""Occupancy grids in numba: one pass each, on one thread; there are few cells."""

from __future__ import annotations

import numpy as np
from numba import njit

from effbench.kernels.cpu import SERIAL_WITH_NAN


@njit(**SERIAL_WITH_NAN)
def raise_to(cells, visited, values):  # type: ignore[no-untyped-def]
    """Raise `cells` [M] to `values` [n] where they are `visited` [n]; NaN stays."""
    for i in range(len(visited)):
        at, value = visited[i], values[i]
        if value > cells[at] or np.isnan(value):
            cells[at] = value


@njit(**SERIAL_WITH_NAN)
def pack_bits(cells, threshold, bits):  # type: ignore[no-untyped-def]
    """Write `bits` [M / 8], lowest bit first: where `cells` [M] exceed a threshold."""
    for i in range(len(bits)):
        eight, found = cells[8 * i : 8 * i + 8], np.uint8(0)
        for j in range(8):
            found |= np.uint8(eight[j] > threshold) << np.uint8(j)
        bits[i] = found
