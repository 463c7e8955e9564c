"""Inverse distributions in numba: bins and draws both ascend, so one walk over them does."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 64  # rays per task
_f32 = np.float32


def draw(
    edges: NDArray[np.float32],
    weights: NDArray[np.float32],
    uniform: NDArray[np.float32],
    floor: float,
    drawn: NDArray[np.float32],
) -> None:
    """Write positions [H, M]; see `effbench.kernels.inverse_cdf`."""
    _draw(edges, weights, uniform, _f32(floor), drawn)


@njit(**SERIAL)
def _draw_ray(edges, weights, uniform, floor, drawn):  # type: ignore[no-untyped-def]
    bins = len(weights)
    total = _f32(bins) * floor
    for k in range(bins):
        total += weights[k]
    k, below, weight = 0, _f32(0), weights[0] + floor
    for i in range(len(uniform)):
        target = uniform[i] * total
        while k < bins - 1 and below + weight <= target:
            below += weight
            k += 1
            weight = weights[k] + floor
        inside = min(max((target - below) / weight, _f32(0)), _f32(1))
        drawn[i] = edges[k] + (edges[k + 1] - edges[k]) * inside


@njit(**PARALLEL)
def _draw(edges, weights, uniform, floor, drawn):  # type: ignore[no-untyped-def]
    rays = len(edges)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            _draw_ray(edges[r], weights[r], uniform[r], floor, drawn[r])
