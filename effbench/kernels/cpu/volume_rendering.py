"""Volume rendering in numba: one pass over each ray's samples, rays in parallel."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL

_CHUNK = 64  # rays per task
_f32 = np.float32


def visible_counts(
    optical_depth: NDArray[np.float32],
    offsets: NDArray[np.int64],
    limit: float,
    counts: NDArray[np.int64],
) -> None:
    """Write how many samples of each ray have at most `limit` optical depth before them."""
    _visible_counts(optical_depth, offsets, _f32(limit), counts)


@njit(**SERIAL)
def _composite_ray(optical_depth, colors, start, stop, background, color):  # type: ignore[no-untyped-def]
    """Write the ray's colour and return its transmittance."""
    transmittance = _f32(1)
    red, green, blue = _f32(0), _f32(0), _f32(0)
    for i in range(start, stop):
        passed = math.exp(-optical_depth[i])
        weight = transmittance * (_f32(1) - passed)
        transmittance *= passed
        red += weight * colors[i, 0]
        green += weight * colors[i, 1]
        blue += weight * colors[i, 2]
    color[0] = red + transmittance * background[0]
    color[1] = green + transmittance * background[1]
    color[2] = blue + transmittance * background[2]
    return transmittance


@njit(**SERIAL)
def _differentiate_ray(optical_depth, colors, start, stop, color, g, d_optical_depth, d_colors):  # type: ignore[no-untyped-def]
    """With q_i = c_i·g and `behind` = what the ray collects behind sample i (background
    included), dotted with g: ∂/∂τ_i = T_{i+1}·q_i − behind, ∂/∂c_i = w_i·g."""
    transmittance = _f32(1)
    behind = color[0] * g[0] + color[1] * g[1] + color[2] * g[2]
    for i in range(start, stop):
        passed = math.exp(-optical_depth[i])
        weight = transmittance * (_f32(1) - passed)
        transmittance *= passed
        q = colors[i, 0] * g[0] + colors[i, 1] * g[1] + colors[i, 2] * g[2]
        behind -= weight * q
        d_optical_depth[i] = transmittance * q - behind
        for channel in range(3):
            d_colors[i, channel] = weight * g[channel]


@njit(**PARALLEL)
def forward(optical_depth, colors, offsets, background, color, opacity):  # type: ignore[no-untyped-def]
    """Write `color` [R, 3] and `opacity` [R]; see `effbench.kernels.volume_rendering`."""
    rays = len(opacity)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            start, stop = offsets[r], offsets[r + 1]
            left = _composite_ray(optical_depth, colors, start, stop, background[r], color[r])
            opacity[r] = _f32(1) - left


@njit(**PARALLEL)
def backward(optical_depth, colors, offsets, color, grad, d_optical_depth, d_colors):  # type: ignore[no-untyped-def]
    """Write the gradients of a loss with ∂L/∂color = `grad` [R, 3]."""
    rays = len(color)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            _differentiate_ray(
                optical_depth, colors, offsets[r], offsets[r + 1], color[r], grad[r],
                d_optical_depth, d_colors,
            )  # fmt: skip


@njit(**SERIAL)
def _visible_of_ray(optical_depth, start, stop, limit):  # type: ignore[no-untyped-def]
    total, i = _f32(0), start
    while i < stop and total <= limit:
        total += optical_depth[i]
        i += 1
    return i - start


@njit(**PARALLEL)
def _visible_counts(optical_depth, offsets, limit, counts):  # type: ignore[no-untyped-def]
    rays = len(counts)
    for chunk in prange((rays + _CHUNK - 1) // _CHUNK):
        for r in range(chunk * _CHUNK, min(rays, (chunk + 1) * _CHUNK)):
            counts[r] = _visible_of_ray(optical_depth, offsets[r], offsets[r + 1], limit)
