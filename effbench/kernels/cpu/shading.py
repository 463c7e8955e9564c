"""Both networks of a hash field, volume rendering and the loss of its pixels as one pass over rays.

Chunks of whole rays go through everything in a core's cache, there and back, as in `mlp`: a pixel's
loss is known as soon as its ray is, so that what a chunk needs for its gradients is still at hand.
What a direction adds to the colour's first layer is computed once per ray. A task takes an equal
share of the samples and sums up its own gradients of weights: the same number of threads gives the
same sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL_WITH_NAN
from effbench.kernels.cpu.layers import (
    CHUNK,
    add_weight_gradient,
    cut,
    layer,
    layer_add_relu,
    layer_relu,
    padded,
)
from effbench.kernels.cpu.vectors import COLUMNS, ROWS, add_16, copy_16, exp_16

_HARMONICS = 16  # of a direction
_CLAMP = 15.0  # of a log-density, in the exponential's gradient: `activations.trunc_exp`
_f32 = np.float32
Array = NDArray[np.float32]


def learn(
    encoded: Array,
    directions: Array,
    deltas: Array,
    offsets: NDArray[np.int64],
    background: Array,
    target: Array,
    delta: float,
    weights: Sequence[Array],
) -> tuple[float, Array, Array, Array, Array, list[Array]]:
    """Return the loss, colour [R, 3], optical depth [N], and the loss's gradients of `background`,
    of `encoded` and of the weights; see `effbench.kernels.shading`.

    delta: of the Huber loss, 0 for the squared error.
    """
    down, up = _downwards(weights), _upwards(weights)
    cuts, most = _shares(offsets)
    rays, tasks = len(offsets) - 1, len(cuts) - 1
    color, behind = np.empty((rays, 3), np.float32), np.empty((rays, 3), np.float32)
    optical_depth, d_encoded = np.zeros(len(encoded), np.float32), np.empty_like(encoded)
    d_encoded[offsets[-1] :] = 0
    shapes = [matrix.shape for matrix in up[:4]] + [(ROWS, up[4].shape[1])]
    shapes.append((up[2].shape[0], _HARMONICS))
    shares = tuple(np.zeros((tasks, *shape), np.float32) for shape in shapes)
    losses = np.zeros(tasks)
    _learn(
        *(encoded, directions, deltas, offsets, background, target, _f32(delta), down, up, cuts),
        *(most, color, optical_depth, behind, d_encoded, shares, losses),
    )
    sums = [share.sum(0) for share in shares]
    first, second, third, fourth, fifth = (matrix.shape for matrix in weights)
    inner = sums[2][: third[0], 1 : 1 + third[1] - _HARMONICS]
    d_weights = [
        sums[0][: first[0], : first[1]],
        sums[1][: second[0], : second[1]],
        np.concatenate([sums[5][: third[0]], inner], 1),
        sums[3][: fourth[0], : fourth[1]],
        sums[4][: fifth[0], : fifth[1]],
    ]
    loss = float(losses.sum()) / max(3 * rays, 1)
    return loss, color, optical_depth, behind, d_encoded, d_weights


def _shares(offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the rays at which each thread's share begins and ends, of as many samples each as
    rays allow, and how many samples a chunk has room for."""
    tasks, rays = numba.get_num_threads(), len(offsets) - 1
    cuts = np.searchsorted(offsets, np.linspace(0, offsets[-1], tasks + 1)).astype(np.int64)
    cuts[0], cuts[-1] = 0, rays
    longest = int(np.diff(offsets).max(initial=0))
    return cuts, -(-max(CHUNK, longest) // ROWS) * ROWS


def _geometry(first: Array, outputs: int) -> Array:
    """Return the part of the colour's first layer that sees the density network's outputs, of which
    the first, the density, has none: [outputs, O]."""
    matrix = np.zeros((outputs, len(first)), np.float32)
    matrix[1 : 1 + first.shape[1] - _HARMONICS] = first[:, _HARMONICS:].T
    return matrix


def _downwards(weights: Sequence[Array]) -> tuple[Array, ...]:
    """Return the matrices that the forward pass multiplies with, [I, O], padded to whole tiles."""
    first, second, third, fourth, fifth = (np.ascontiguousarray(matrix.T) for matrix in weights)
    hidden = padded(first)
    outer = padded(second, rows=hidden.shape[1])
    inner = padded(_geometry(weights[2], outer.shape[1]))
    last = padded(fourth, rows=inner.shape[1])
    ends = padded(fifth, rows=last.shape[1])
    return hidden, outer, inner, last, ends, padded(third[:_HARMONICS])


def _upwards(weights: Sequence[Array]) -> tuple[Array, ...]:
    """Return the matrices that the backward pass multiplies with, [O, I]."""
    hidden, outer, inner, last, _, _ = _downwards(weights)
    return (
        padded(weights[0], rows=hidden.shape[1]),
        padded(weights[1], rows=outer.shape[1]),
        np.ascontiguousarray(inner.T),
        padded(weights[3], rows=last.shape[1]),
        padded(weights[4]),
    )


@njit(**SERIAL_WITH_NAN)
def _rooms(encoded, down, most):  # type: ignore[no-untyped-def]
    """Return what a chunk is worked on in: inputs, both networks' layers, what directions add,
    harmonics, per sample density and what passes it, colours (4 each), and each ray's place."""
    inputs = (encoded.shape[1] + COLUMNS - 1) // COLUMNS * COLUMNS
    hidden, outer, inner, last, ends, _ = down
    return (
        np.zeros(most * inputs, np.float32),
        np.empty(most * hidden.shape[1], np.float32),
        np.empty(most * outer.shape[1], np.float32),
        np.empty(most * inner.shape[1], np.float32),
        np.empty(most * last.shape[1], np.float32),
        np.empty(most * ends.shape[1], np.float32),
        np.empty(most * inner.shape[1], np.float32),
        np.zeros(most * _HARMONICS, np.float32),
        np.zeros(most + COLUMNS, np.float32),
        np.zeros(most + COLUMNS, np.float32),
        np.zeros(most * 4 + COLUMNS, np.float32),
        np.empty(most, np.int64),
    )


@njit(**SERIAL_WITH_NAN)
def _chunk_end(offsets, ray, end, most):  # type: ignore[no-untyped-def]
    """Return the ray behind a chunk that begins at one: as many as there is room for, of those
    without samples, too."""
    stop = ray + 1
    while stop < end and stop - ray < most and offsets[stop + 1] - offsets[ray] <= most:
        stop += 1
    return stop


@njit(**SERIAL_WITH_NAN)
def _shade(encoded, directions, deltas, offsets, ray, stop, down, rooms):  # type: ignore[no-untyped-def]
    """Fill the rooms with a chunk's activations; return its samples and rays that have any."""
    given, h1, out, h2, h3, logits, by_ray, harmonics, density, passes, shades, places = rooms
    hidden, outer, inner, last, ends, sky = down
    first, count = offsets[ray], offsets[stop] - offsets[ray]
    rows = (count + ROWS - 1) // ROWS * ROWS
    features, inputs = encoded.shape[1], len(given) // len(places)
    if features == inputs:
        given[: count * inputs] = encoded.reshape(-1)[first * inputs : (first + count) * inputs]
    else:
        for i in range(count):
            for f in range(features):
                given[i * inputs + f] = encoded[first + i, f]
    given[count * inputs : rows * inputs] = _f32(0)
    met = 0
    for r in range(ray, stop):
        if offsets[r + 1] > offsets[r]:
            for f in range(_HARMONICS):
                harmonics[met * _HARMONICS + f] = directions[r, f]
            for i in range(offsets[r] - first, offsets[r + 1] - first):
                places[i] = met
            met += 1
    whole = (met + ROWS - 1) // ROWS * ROWS
    harmonics[met * _HARMONICS : whole * _HARMONICS] = _f32(0)
    layer_relu(given, inputs, hidden, h1, rows)
    layer(h1, hidden.shape[1], outer, out, rows)
    layer(harmonics, _HARMONICS, sky, by_ray, whole)
    neurons, outputs = inner.shape[1], outer.shape[1]
    for i in range(count):
        for f in range(0, neurons, COLUMNS):
            copy_16(by_ray, places[i] * neurons + f, h2, i * neurons + f)
    h2[count * neurons : rows * neurons] = _f32(0)
    layer_add_relu(out, outputs, inner, h2, rows)
    layer_relu(h2, neurons, last, h3, rows)
    layer(h3, last.shape[1], ends, logits, rows)
    width = ends.shape[1]
    for i in range(rows):
        density[i] = out[i * outputs]
        for c in range(4):
            shades[i * 4 + c] = -logits[i * width + c]
    for at in range(0, rows, COLUMNS):
        exp_16(density, at)
    for at in range(0, 4 * rows, COLUMNS):
        exp_16(shades, at)
    for i in range(count):
        passes[i] = -density[i] * deltas[first + i]
    for at in range(0, count, COLUMNS):
        exp_16(passes, at)
    one = _f32(1)
    for i in range(4 * rows):
        shades[i] = one / (one + shades[i])
    return count, met


@njit(**SERIAL_WITH_NAN)
def _composite(  # type: ignore[no-untyped-def]
    offsets, ray, stop, deltas, background, target, delta, rooms, color, grad, left, depth
):
    """Render a chunk's rays; return the sum of their losses, and fill in the gradient of their
    mean by the colours and, of each ray, the light that is left behind its last sample."""
    density, passes, shades = rooms[8], rooms[9], rooms[10]
    first, total = offsets[ray], 0.0
    scale = _f32(1) / _f32(3 * (len(offsets) - 1))
    for r in range(ray, stop):
        light = _f32(1)
        red, green, blue = _f32(0), _f32(0), _f32(0)
        for i in range(offsets[r] - first, offsets[r + 1] - first):
            depth[first + i] = density[i] * deltas[first + i]
            weight = light * (_f32(1) - passes[i])
            light *= passes[i]
            red += weight * shades[4 * i]
            green += weight * shades[4 * i + 1]
            blue += weight * shades[4 * i + 2]
        color[r, 0] = red + light * background[r, 0]
        color[r, 1] = green + light * background[r, 1]
        color[r, 2] = blue + light * background[r, 2]
        left[r - ray] = light
        for c in range(3):
            off = color[r, c] - target[r, c]
            far = abs(off)
            if delta == _f32(0):
                total += off * off
                grad[r - ray, c] = _f32(2) * off * scale
            elif far <= delta:
                total += _f32(0.5) * off * off
                grad[r - ray, c] = off * scale
            else:  # NaN comes here, and stays
                total += delta * (far - _f32(0.5) * delta)
                grad[r - ray, c] = delta * (off / far) * scale
    return total


@njit(**SERIAL_WITH_NAN)
def _differentiate_rays(  # type: ignore[no-untyped-def]
    offsets, ray, stop, deltas, background, grad, rooms, width, lefts, d_log, d_logits
):
    """Write the gradients of log-densities and logits, in the terms of `volume_rendering`; what a
    ray collects behind a sample is summed up from its end, where nothing cancels. grad: of the
    chunk's rays; lefts: room for the transmittance behind each sample; d_logits: flat, `width` per
    sample."""
    density, passes, shades = rooms[8], rooms[9], rooms[10]
    one, first = _f32(1), offsets[ray]
    least, most = _f32(math.exp(-_CLAMP)), _f32(math.exp(_CLAMP))
    for r in range(ray, stop):
        start, end = offsets[r] - first, offsets[r + 1] - first
        left = one
        for i in range(start, end):
            left *= passes[i]
            lefts[i] = left
        gx, gy, gz = grad[r - ray, 0], grad[r - ray, 1], grad[r - ray, 2]
        behind = left * (background[r, 0] * gx + background[r, 1] * gy + background[r, 2] * gz)
        for i in range(end - 1, start - 1, -1):
            before = lefts[i - 1] if i > start else one
            weight = before * (one - passes[i])
            x, y, z = shades[4 * i], shades[4 * i + 1], shades[4 * i + 2]
            q = x * gx + y * gy + z * gz
            slope = min(max(density[i], least), most)
            d_log[i] = (lefts[i] * q - behind) * deltas[first + i] * slope
            behind += weight * q
            at = i * width
            d_logits[at] = weight * gx * x * (one - x)
            d_logits[at + 1] = weight * gy * y * (one - y)
            d_logits[at + 2] = weight * gz * z * (one - z)


@njit(**SERIAL_WITH_NAN)
def _slopes(down, inputs, most):  # type: ignore[no-untyped-def]
    """Return room for a chunk's gradients: of log-densities, logits, what is in between, and
    inputs."""
    hidden, outer, inner, last, ends, _ = down
    return (
        np.zeros(most, np.float32),
        np.zeros(most * ends.shape[1], np.float32),
        np.empty(most * last.shape[1], np.float32),
        np.empty(most * inner.shape[1], np.float32),
        np.empty(most * outer.shape[1], np.float32),
        np.empty(most * hidden.shape[1], np.float32),
        np.empty(most * inputs, np.float32),
    )


@njit(**SERIAL_WITH_NAN)
def _differentiate_networks(rooms, slopes, up, shares, task, count, met):  # type: ignore[no-untyped-def]
    """Take a chunk's gradients of log-densities and logits on to its inputs, and add those of the
    matrices to a task's."""
    given, h1, out, h2, h3, _, by_ray, harmonics, _, _, _, places = rooms
    d_log, d_logits, d3, d2, d_out, d1, own = slopes
    rows, most = (count + ROWS - 1) // ROWS * ROWS, len(places)
    inputs, outputs, width = len(given) // most, len(out) // most, len(d_logits) // most
    n1, n2, n3 = len(d1) // most, len(d2) // most, len(d3) // most
    d_log[count:rows] = _f32(0)
    d_logits[count * width : rows * width] = _f32(0)
    add_weight_gradient(d_logits, width, h3, n3, shares[4][task], rows)
    layer(d_logits, width, up[4], d3, rows)
    cut(d3[: rows * n3], h3)
    add_weight_gradient(d3, n3, h2, n2, shares[3][task], rows)
    layer(d3, n3, up[3], d2, rows)
    cut(d2[: rows * n2], h2)
    add_weight_gradient(d2, n2, out, outputs, shares[2][task], rows)
    layer(d2, n2, up[2], d_out, rows)
    for i in range(rows):
        d_out[i * outputs] = d_log[i]
    add_weight_gradient(d_out, outputs, h1, n1, shares[1][task], rows)
    layer(d_out, outputs, up[1], d1, rows)
    cut(d1[: rows * n1], h1)
    add_weight_gradient(d1, n1, given, inputs, shares[0][task], rows)
    layer(d1, n1, up[0], own, rows)
    whole = (met + ROWS - 1) // ROWS * ROWS
    by_ray[: whole * n2] = _f32(0)
    for i in range(count):
        for f in range(0, n2, COLUMNS):
            add_16(d2, i * n2 + f, by_ray, places[i] * n2 + f)
    add_weight_gradient(by_ray, n2, harmonics, _HARMONICS, shares[5][task], whole)


@njit(**SERIAL_WITH_NAN)
def _learn_share(  # type: ignore[no-untyped-def]
    encoded, directions, deltas, offsets, background, target, delta, down, up, ray, end, most,
    color, depth, behind, d_encoded, shares, task,
):  # fmt: skip
    """Do a task's rays; return the sum of their losses."""
    rooms = _rooms(encoded, down, most)
    inputs, features, width = len(rooms[0]) // most, encoded.shape[1], down[4].shape[1]
    slopes = _slopes(down, inputs, most)
    d_log, d_logits, own = slopes[0], slopes[1], slopes[6]
    grad, left = np.empty((most, 3), np.float32), np.empty(most, np.float32)
    lefts, total = np.empty(most, np.float32), 0.0
    while ray < end:
        stop = _chunk_end(offsets, ray, end, most)
        first, count, met = offsets[ray], 0, 0
        if offsets[stop] > first:
            count, met = _shade(encoded, directions, deltas, offsets, ray, stop, down, rooms)
        total += _composite(
            offsets, ray, stop, deltas, background, target, delta, rooms, color, grad, left, depth
        )
        for r in range(stop - ray):
            for c in range(3):
                behind[ray + r, c] = left[r] * grad[r, c]
        if count:
            _differentiate_rays(
                offsets, ray, stop, deltas, background, grad, rooms, width, lefts, d_log, d_logits
            )
            _differentiate_networks(rooms, slopes, up, shares, task, count, met)
            for i in range(count):
                for f in range(features):
                    d_encoded[first + i, f] = own[i * inputs + f]
        ray = stop
    return total


@njit(**PARALLEL)
def _learn(  # type: ignore[no-untyped-def]
    encoded, directions, deltas, offsets, background, target, delta, down, up, cuts, most, color,
    depth, behind, d_encoded, shares, losses,
):  # fmt: skip
    for task in prange(len(cuts) - 1):
        losses[task] = _learn_share(
            encoded, directions, deltas, offsets, background, target, delta, down, up, cuts[task],
            cuts[task + 1], most, color, depth, behind, d_encoded, shares, task,
        )  # fmt: skip
