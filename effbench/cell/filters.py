"""Filters along one axis of an image's plane [H, W]; beyond its border are the border's values."""

from __future__ import annotations

import numpy as np
from numba import njit

from effbench.kernels.cpu import SERIAL


@njit(**SERIAL)
def along_x(plane, taps):  # type: ignore[no-untyped-def]
    """Return the plane, of its own type, filtered along its rows with an odd number of taps."""
    height, width = plane.shape
    radius = len(taps) // 2
    out = np.zeros_like(plane)
    wide = np.empty(width + 2 * radius, plane.dtype)
    for y in range(height):
        for x in range(len(wide)):
            wide[x] = plane[y, min(max(x - radius, 0), width - 1)]
        row = out[y]
        for k in range(len(taps)):
            weight, shifted = taps[k], wide[k : k + width]
            for x in range(len(row)):
                row[x] += weight * shifted[x]
    return out


@njit(**SERIAL)
def along_y(plane, taps):  # type: ignore[no-untyped-def]
    """Return the plane, of its own type, filtered along its columns, as `along_x`."""
    height, _ = plane.shape
    radius = len(taps) // 2
    out = np.zeros_like(plane)
    for y in range(height):
        row = out[y]
        for k in range(len(taps)):
            weight, other = taps[k], plane[min(max(y + k - radius, 0), height - 1)]
            for x in range(len(row)):
                row[x] += weight * other[x]
    return out
