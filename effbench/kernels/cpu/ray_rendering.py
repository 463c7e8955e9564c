"""Whole rays in one kernel: march, encode, density, colours where they are seen, composite.

Rays are worked on in groups. Every ray of a group that still lets light through adds a few samples
to a wave; the wave is encoded level by level and goes through the density network 8 rows at a time,
so that vectors are full however short each ray's part is. Only samples with a weight go on to the
colour network. Nothing of a sample is written to memory beyond the group's own buffers.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL
from effbench.kernels.cpu.hash_blocks import CORNERS, encode
from effbench.kernels.cpu.layers import layer, layer_add_relu, layer_relu
from effbench.kernels.cpu.ray_windows import (
    CASCADES,
    first_distance,
    first_in_box,
    first_in_cascades,
    march_on,
    march_on_cascades,
    march_on_contracted,
    space_of,
)
from effbench.kernels.cpu.rays import write_harmonics
from effbench.kernels.cpu.vectors import COLUMNS, ROWS, exp_16
from effbench.kernels.hash_layout import HashLayout

_GROUP = 512  # rays
_WINDOW, _WIDEST = 4, 16  # samples that a ray adds to the first wave, and to later ones at most
_KEPT = 512  # samples that get their colours at once
_HARMONICS = 16
_f32 = np.float32
Array = NDArray[np.float32]


def render(
    origins: Array,
    directions: Array,
    near: float,
    far: float,
    distances: NDArray[np.uint8],
    resolution: int,
    step: float,
    norm: str,
    growth: tuple[int, float, float],
    table: Array,
    layout: HashLayout,
    weights: tuple[Array, ...],
    early_stop_eps: float,
    least_weight: float,
    background: Array,
) -> Array:
    """Return the colours [R, 3]; see `effbench.kernels.ray_rendering`.

    distances: of `cell_distances`; norm: of contracted space, "" for others; growth: the
    number of cascades (0: a box without any), the cone and the longest step; weights: W1ᵀ, W2ᵀ of
    the density network and W1ᵀ of the colour network's rows for harmonics and for the geometry,
    W2ᵀ, W3ᵀ, all padded (`layers.padded`); background [R, 3].
    """
    colors = np.empty((len(origins), 3), np.float32)
    limit = math.log(1 / early_stop_eps) if early_stop_eps > 0 else math.inf
    _render(
        origins,
        directions,
        _f32(near),
        _f32(far),
        distances,
        resolution,
        _f32(step),
        *space_of(norm, growth),
        table.reshape(-1),
        layout.scales,
        layout.strides,
        layout.dense,
        layout.offsets,
        weights,
        _f32(math.exp(-limit)),
        _f32(least_weight),
        background,
        colors,
        numba.get_num_threads(),
    )
    return colors


@njit(**SERIAL)
def _color(  # type: ignore[no-untyped-def]
    kept, kept_outputs, outputs, kept_rays, kept_weights, by_ray, h2, h3, logits, w, colors, first
):
    """Add the colours of the kept samples to their rays."""
    _, _, _, geometry, second, third = w
    hidden, ends = geometry.shape[1], third.shape[1]
    for i in range(kept):
        start, to = kept_rays[i] * hidden, i * hidden
        for f in range(hidden):
            h2[to + f] = by_ray[start + f]
    rows = (kept + ROWS - 1) // ROWS * ROWS
    layer_add_relu(kept_outputs, outputs, geometry, h2, rows)
    layer_relu(h2, hidden, second, h3, rows)
    layer(h3, second.shape[1], third, logits, rows)
    one = _f32(1)
    for i in range(rows):  # the four first of each row together: three colours and nothing
        for c in range(4):
            logits[i * 4 + c] = -logits[i * ends + c]
    for at in range(0, 4 * rows, COLUMNS):
        exp_16(logits, at)
    for i in range(kept):
        for c in range(3):
            shade = one / (one + logits[i * 4 + c])
            colors[first + kept_rays[i], c] += kept_weights[i] * shade


@njit(**SERIAL)
def _render_group(  # type: ignore[no-untyped-def]
    origins, directions, near, far, distances, resolution, step, space, growth, table, scales,
    strides, dense, offsets, w, stop_at, least, background, colors, first, rays, px, py, pz, ts,
    lengths, encoded, h1, out, index, weights, runs, kept_outputs, kept_weights, kept_rays, by_ray,
    h2, h3, logits, harmonics, halves, ks, begins, left, saved, alive, ended, passes,
):  # fmt: skip
    w1, w2, w_harmonics = w[0], w[1], w[2]
    width, outputs, hidden = w1.shape[0], w2.shape[1], w_harmonics.shape[1]
    if not space:
        first_in_box(
            origins, directions, halves, near, far, distances, resolution, step, first, rays, ks
        )
    alive_count = 0
    for r in range(rays):
        colors[first + r, 0] = colors[first + r, 1] = colors[first + r, 2] = _f32(0)
        left[r], saved[r] = _f32(1), _f32(0)
        o, d = origins[first + r], directions[first + r]
        if space == CASCADES:
            begins[r] = first_in_cascades(o, d, near, far, step, _f32(0.5), growth)
        elif space:
            begins[r] = first_distance(o, d, near, step, _f32(0.5), space == 1)
        elif ks[r] < 0:
            continue
        alive[alive_count] = r
        alive_count += 1
    window = _WINDOW
    fresh = True
    while alive_count:
        count, run_count = 0, 0
        for a in range(alive_count):
            r = alive[a]
            o, d = origins[first + r], directions[first + r]
            if space == CASCADES:
                found, begins[r], ended[r] = march_on_cascades(
                    o, d, begins[r], far, distances, resolution, step, growth, window, px, py, pz,
                    ts, lengths, count,
                )  # fmt: skip
            elif space:
                found, begins[r], ended[r] = march_on_contracted(
                    o, d, begins[r], far, distances, resolution, step, space == 1, window, px, py,
                    pz, ts, lengths, count,
                )  # fmt: skip
            else:
                found, ks[r], ended[r] = march_on(
                    o, d, near, far, distances, resolution, step, _f32(0.5), ks[r], window, px, py,
                    pz, ts, lengths, count,
                )  # fmt: skip
            if found:
                runs[run_count, 0], runs[run_count, 1], runs[run_count, 2] = r, count, found
                run_count += 1
                count += found
        if fresh:  # of rays that meet anything: what their direction adds to each sample's colour
            for q in range(run_count):
                write_harmonics(directions[first + runs[q, 0]], harmonics[q * _HARMONICS :])
            rows = (run_count + ROWS - 1) // ROWS * ROWS
            layer(harmonics, _HARMONICS, w_harmonics, h2, rows)
            for q in range(run_count):
                r = runs[q, 0]
                by_ray[r * hidden : (r + 1) * hidden] = h2[q * hidden : (q + 1) * hidden]
            fresh = False
        if count == 0:
            break
        stop = (count + ROWS - 1) // ROWS * ROWS
        for i in range(count, stop):
            px[i] = py[i] = pz[i] = _f32(0.5)
            lengths[i] = step
        encode(
            px, py, pz, table, scales, strides, dense, offsets, encoded, width, stop, index, weights
        )  # fmt: skip
        for start in range(0, stop, _KEPT):  # so that the hidden layer stays in the cache
            rows = min(_KEPT, stop - start)
            layer_relu(encoded[start * width :], width, w1, h1, rows)
            layer(h1, w1.shape[1], w2, out[start * outputs :], rows)
        for i in range(stop):  # what passes each sample: exp(−density·length)
            passes[i] = out[i * outputs]
        for at in range(0, stop, COLUMNS):
            exp_16(passes, at)
        for i in range(stop):
            passes[i] *= -lengths[i]
        for at in range(0, stop, COLUMNS):
            exp_16(passes, at)
        alive_count, kept = 0, 0
        for q in range(run_count):
            r, start, found = runs[q, 0], runs[q, 1], runs[q, 2]
            light, i = left[r], 0
            while i < found and light >= stop_at:
                passed = passes[start + i]
                weight = light * (_f32(1) - passed)
                light *= passed
                if weight <= least:
                    saved[r] += weight
                else:  # NaN, too
                    at = (start + i) * outputs
                    to = kept * outputs
                    for f in range(outputs):
                        kept_outputs[to + f] = out[at + f]
                    kept_weights[kept], kept_rays[kept] = weight + saved[r], r
                    saved[r] = _f32(0)
                    kept += 1
                i += 1
            left[r] = light
            if light >= stop_at and not ended[r]:
                alive[alive_count] = r
                alive_count += 1
            if kept + _WIDEST > _KEPT or q == run_count - 1:
                _color(
                    kept, kept_outputs, outputs, kept_rays, kept_weights, by_ray, h2, h3, logits, w,
                    colors, first,
                )  # fmt: skip
                kept = 0
        window = min(2 * window, _WIDEST)
    for r in range(rays):
        for c in range(3):
            colors[first + r, c] += (left[r] + saved[r]) * background[first + r, c]


@njit(**PARALLEL)
def _render(  # type: ignore[no-untyped-def]
    origins, directions, near, far, distances, resolution, step, space, growth, table, scales,
    strides, dense, offsets, w, stop_at, least, background, colors, tasks,
):  # fmt: skip
    total = len(origins)
    groups = (total + _GROUP - 1) // _GROUP
    halves = np.full(total, _f32(0.5))
    for task in prange(tasks):
        room = _GROUP * _WIDEST + ROWS
        px, py, pz = (
            np.empty(room, np.float32),
            np.empty(room, np.float32),
            np.empty(room, np.float32),
        )
        ts, lengths = np.empty(room, np.float32), np.empty(room, np.float32)
        width, hidden, outputs = w[0].shape[0], w[0].shape[1], w[1].shape[1]
        inner, last, ends = w[2].shape[1], w[4].shape[1], w[5].shape[1]
        encoded = np.zeros(room * width, np.float32)
        h1 = np.empty(_KEPT * hidden, np.float32)
        out = np.empty(room * outputs, np.float32)
        index = np.zeros((2, CORNERS), np.uint32)
        weights = np.zeros((2, CORNERS), np.float32)
        runs = np.empty((_GROUP, 3), np.int64)
        most = max(_KEPT, _GROUP) + ROWS
        kept_outputs = np.zeros(most * outputs, np.float32)
        kept_weights = np.empty(most, np.float32)
        kept_rays = np.empty(most, np.int64)
        by_ray = np.empty(_GROUP * inner, np.float32)
        h2 = np.zeros(most * inner, np.float32)
        h3 = np.empty(most * last, np.float32)
        logits = np.empty(most * ends, np.float32)
        harmonics = np.zeros(most * _HARMONICS, np.float32)
        ks, begins = np.empty(_GROUP, np.int64), np.empty(_GROUP, np.float32)
        left = np.empty(_GROUP, np.float32)
        saved = np.empty(_GROUP, np.float32)
        passes = np.zeros(room + COLUMNS, np.float32)
        alive, ended = np.empty(_GROUP, np.int64), np.empty(_GROUP, np.bool_)
        for group in range(task, groups, tasks):
            first = group * _GROUP
            _render_group(
                origins, directions, near, far, distances, resolution, step, space, growth, table,
                scales, strides, dense, offsets, w, stop_at, least, background, colors, first,
                min(_GROUP, total - first), px, py, pz, ts, lengths, encoded, h1, out, index,
                weights, runs, kept_outputs, kept_weights, kept_rays, by_ray, h2, h3, logits,
                harmonics, halves, ks, begins, left, saved, alive, ended, passes,
            )  # fmt: skip
