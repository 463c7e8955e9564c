"""Small networks without biases in numba: forward, and backward with the activations kept.

Chunks of rows go through all layers in a core's cache, 8 rows of 32 neurons at a time in registers
(`vectors`); the three products of a layer, forward, to its inputs and to its weights, are the same
tile with other strides. Widths are padded with zeros to whole tiles. A task adds up its own share
of the weights' gradients: the same number of threads gives the same sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL_WITH_NAN
from effbench.kernels.cpu.layers import CHUNK, add_weight_gradient, cut, layer, layer_relu, padded
from effbench.kernels.cpu.vectors import COLUMNS, ROWS

_f32 = np.float32
Array = NDArray[np.float32]


def forward(x: Array, weights: Sequence[Array], kept: bool) -> tuple[Array, tuple[Array, ...]]:
    """Return the outputs [N, O] of x [N, I] and matrices [O_k, I_k], and with `kept` the hidden
    activations for `backward`, padded [≥ N, ≥ O_k], else room that was worked in."""
    transposed = tuple(padded(np.ascontiguousarray(weight.T)) for weight in weights)
    tasks = numba.get_num_threads()
    rows = -(-len(x) // ROWS) * ROWS if kept else tasks * CHUNK
    hidden = tuple(np.empty((rows, w.shape[1]), np.float32) for w in transposed[:-1])
    out = np.empty((len(x), len(weights[-1])), np.float32)
    _forward(x, transposed, hidden, out, kept, tasks)
    return out, hidden


def backward(
    x: Array, weights: Sequence[Array], hidden: tuple[Array, ...], grad: Array, wanted: bool
) -> tuple[Array, list[Array]]:
    """Return the gradients of x [N, I], nothing of it unless it is `wanted`, and of the weights.

    hidden: of `forward`; grad: of the outputs [N, O].
    """
    straight = tuple(padded(np.ascontiguousarray(weight)) for weight in weights)
    tasks = numba.get_num_threads()
    shares = tuple(
        np.zeros((tasks, -(-len(w) // ROWS) * ROWS, w.shape[1]), np.float32) for w in straight
    )
    d_x = np.empty_like(x) if wanted else np.empty((0, x.shape[1]), np.float32)
    _backward(x, straight, hidden, grad, d_x, shares, wanted, tasks)
    sums = [share.sum(0) for share in shares]
    return d_x, [g[: w.shape[0], : w.shape[1]] for g, w in zip(sums, weights, strict=True)]


@njit(**SERIAL_WITH_NAN)
def _whole(rows):  # type: ignore[no-untyped-def]
    return (rows + ROWS - 1) // ROWS * ROWS


@njit(**SERIAL_WITH_NAN)
def _copy(source, start, rows, target, width):  # type: ignore[no-untyped-def]
    """Copy rows of a matrix into flat rows of `width`, with zeros in what is padded."""
    columns = source.shape[1]
    for i in range(rows):
        row = target[i * width : (i + 1) * width]
        for f in range(columns):
            row[f] = source[start + i, f]
        row[columns:] = _f32(0)
    target[rows * width : _whole(rows) * width] = _f32(0)


@njit(**SERIAL_WITH_NAN)
def _forward_share(x, weights, hidden, out, kept, task, tasks):  # type: ignore[no-untyped-def]
    count, inputs = x.shape
    outputs, last = out.shape[1], weights[-1]
    given = np.empty(CHUNK * inputs, np.float32)
    made = np.empty(CHUNK * last.shape[1], np.float32)
    flat = x.reshape(-1)
    for start in range(task * CHUNK, count, tasks * CHUNK):
        rows = min(CHUNK, count - start)
        whole, at = _whole(rows), start if kept else task * CHUNK
        current, width = flat[start * inputs :], inputs
        if rows < whole:
            _copy(x, start, rows, given, inputs)
            current = given
        for k in range(len(hidden)):
            neurons = hidden[k].shape[1]
            h = hidden[k].reshape(-1)[at * neurons : (at + whole) * neurons]
            layer_relu(current, width, weights[k], h, whole)
            current, width = h, neurons
        layer(current, width, last, made, whole)
        for i in range(rows):
            for f in range(outputs):
                out[start + i, f] = made[i * last.shape[1] + f]


@njit(**PARALLEL)
def _forward(x, weights, hidden, out, kept, tasks):  # type: ignore[no-untyped-def]
    for task in prange(tasks):
        _forward_share(x, weights, hidden, out, kept, task, tasks)


@njit(**SERIAL_WITH_NAN)
def _backward_share(x, weights, hidden, grad, d_x, shares, wanted, task, tasks):  # type: ignore[no-untyped-def]
    count, inputs = x.shape
    outputs = (grad.shape[1] + COLUMNS - 1) // COLUMNS * COLUMNS
    first = weights[0].shape[1]  # inputs, padded
    widest = max(outputs, first)
    for h in hidden:
        widest = max(widest, h.shape[1])
    given = np.empty(CHUNK * first, np.float32)
    slope, other = np.empty(CHUNK * widest, np.float32), np.empty(CHUNK * widest, np.float32)
    for start in range(task * CHUNK, count, tasks * CHUNK):
        rows = min(CHUNK, count - start)
        whole = _whole(rows)
        _copy(x, start, rows, given, first)
        _copy(grad, start, rows, slope, outputs)
        width = outputs
        for k in range(len(hidden), -1, -1):
            behind = weights[k].shape[1]
            if k > 0:
                before = hidden[k - 1].reshape(-1)[start * behind : (start + whole) * behind]
                add_weight_gradient(slope, width, before, behind, shares[k][task], whole)
                layer(slope, width, weights[k], other, whole)
                cut(other[: whole * behind], before)
            else:
                add_weight_gradient(slope, width, given, behind, shares[0][task], whole)
                if wanted:
                    layer(slope, width, weights[0], other, whole)
            slope, other, width = other, slope, behind
        if wanted:
            for i in range(rows):
                for f in range(inputs):
                    d_x[start + i, f] = slope[i * first + f]


@njit(**PARALLEL)
def _backward(x, weights, hidden, grad, d_x, shares, wanted, tasks):  # type: ignore[no-untyped-def]
    for task in prange(tasks):
        _backward_share(x, weights, hidden, grad, d_x, shares, wanted, task, tasks)
