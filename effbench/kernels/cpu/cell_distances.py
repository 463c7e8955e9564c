"""How far each cell of an occupancy grid is from an occupied one: rays cross free space at once."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from effbench.kernels.cpu import SERIAL

_MOST = 8  # farther counts as this


def cell_distances(bits: NDArray[np.uint8], resolution: int) -> NDArray[np.uint8]:
    """Return the Chebyshev distance in cells to the nearest occupied cell, at most 8: uint8 [G³].

    0 for an occupied cell; a cell at distance n lies in a cube of (2n − 1)³ free ones.
    """
    distances = np.empty(resolution**3, np.uint8)
    _fill(bits, resolution, distances)
    return distances


@njit(**SERIAL)
def _fill(bits, resolution, out):  # type: ignore[no-untyped-def]
    """Distances along x, then the smallest of max(distance, step) along y, and along z."""
    size = resolution
    for row in range(size * size):
        nearest = _MOST
        for x in range(size):
            cell = row * size + x
            occupied = (bits[cell >> 3] >> (cell & 7)) & 1
            nearest = 0 if occupied else min(nearest + 1, _MOST)
            out[cell] = nearest
        nearest = _MOST
        for x in range(size - 1, -1, -1):
            cell = row * size + x
            nearest = 0 if out[cell] == 0 else min(nearest + 1, _MOST)
            out[cell] = min(out[cell], nearest)
    along_y = out.copy()
    _spread(along_y, out, size, size)
    _spread(out.copy(), out, size, size * size)


@njit(**SERIAL)
def _spread(source, target, size, stride):  # type: ignore[no-untyped-def]
    """Take, for each cell, the smallest of max(distance, step) over the cells along one axis."""
    for plane in range(size):
        for line in range(size):
            # rows of x stay whole: `stride` is that of y or of z
            base = plane * size * size if stride == size else plane * size
            here = base + line * stride
            for step in range(1 - _MOST, _MOST):
                other = line + step
                if step == 0 or other < 0 or other >= size:
                    continue
                there = base + other * stride
                least = np.uint8(abs(step))
                # of slices, in whose own range the compiler vectorises
                own, others = target[here : here + size], source[there : there + size]
                for x in range(len(own)):
                    far = max(others[x], least)
                    own[x] = min(own[x], far)
