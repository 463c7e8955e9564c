"""Marching, encoding and densities of rays in one kernel: which samples are worth training on.

As in `ray_rendering`, rays of a group add a few samples each to a wave, so that what lies behind a
surface is never looked at. What is kept goes to the group's part of a slab, and is packed ray after
ray at the end.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from effbench.kernels.cpu import PARALLEL, SERIAL_WITH_NAN
from effbench.kernels.cpu.hash_blocks import CORNERS, encode
from effbench.kernels.cpu.layers import CHUNK, first_outputs
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
from effbench.kernels.cpu.vectors import COLUMNS, ROWS, exp_16
from effbench.kernels.hash_layout import HashLayout

_GROUP = 256  # rays
_WINDOW, _WIDEST = 4, 8  # samples that a ray adds to the first wave, and to later ones at most
# Samples per ray of a group that a slab has room for at least. What is larger than it has to be is
# memory that the system clears anew for every step.
_ROOM = 8
_most = 0  # samples of a group of the last call: the next one's are about as many
_f32 = np.float32
Array = NDArray[np.float32]


def march(
    origins: Array,
    directions: Array,
    jitter: Array,
    near: float,
    far: float,
    distances: NDArray[np.uint8],
    resolution: int,
    step: float,
    norm: str,
    growth: tuple[int, float, float],
    limit: int,
    table: Array,
    layout: HashLayout,
    weights: tuple[Array, Array],
    early_stop_eps: float,
    least_alpha: float,
) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.int64], Array, Array]:
    """Return positions [N, 3], t [N], rays [N], offsets [R + 1], deltas [N] and the encoding
    [N, 2·L]; see `effbench.kernels.visible_marching`.

    distances: of `cell_distances`; norm, growth: as in `ray_rendering.render`; weights: W1ᵀ, W2ᵀ of
    the density network, padded (`layers.padded`).
    """
    rays = len(origins)
    groups = -(-rays // _GROUP)
    stop_at = early_stop_eps if early_stop_eps > 0 else 0.0
    counts, needed = np.zeros(rays, np.int64), np.zeros(groups, np.int64)
    global _most
    room = min(max(_GROUP * _ROOM, _most + _most // 2), _GROUP * limit)
    while True:  # again where a group found more than it had room for
        slab = np.empty((groups, room, 5 + layout.width), np.float32)
        owners = np.empty((groups, room), np.int64)
        _march(
            *(origins, directions, jitter, _f32(near), _f32(far), distances, resolution),
            *(
                _f32(step),
                *space_of(norm, growth),
                limit,
                table.reshape(-1),
                layout.scales,
                layout.strides,
            ),
            *(layout.dense, layout.offsets, weights, _f32(stop_at), _f32(least_alpha)),
            *(slab, owners, counts, needed, numba.get_num_threads()),
        )
        most = int(needed.max(initial=0))
        if most <= room:
            break
        room = most
    _most = most
    offsets = np.zeros(rays + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    total = int(offsets[-1])
    positions, ray = np.empty((total, 3), np.float32), np.empty(total, np.int64)
    t, deltas = np.empty(total, np.float32), np.empty(total, np.float32)
    encoded = np.empty((total, layout.width), np.float32)
    _pack(slab, owners, needed, offsets, positions, t, ray, deltas, encoded)
    return positions, t, ray, offsets, deltas, encoded


@njit(**SERIAL_WITH_NAN)
def _march_group(  # type: ignore[no-untyped-def]
    origins, directions, jitter, near, far, distances, resolution, step, space, growth, limit,
    table, scales, strides, dense, offsets, w, stop_at, least, slab, owners, counts, first, rays,
    px, py, pz, ts, lengths, encoded, hidden, out, passes, index, weights, runs, ks, begins, looked,
    left, alive, ended,
):  # fmt: skip
    """Fill a group's part of the slab; return how many samples it keeps, room or not."""
    w1, w2 = w[0], w[1]
    width = w1.shape[0]
    if not space:
        first_in_box(
            origins, directions, jitter, near, far, distances, resolution, step, first, rays, ks
        )
    alive_count, window, kept = 0, _WINDOW, 0
    for r in range(rays):
        left[r], looked[r], counts[first + r] = _f32(1), 0, 0
        o, d, shift = origins[first + r], directions[first + r], jitter[first + r]
        if space == CASCADES:
            begins[r] = first_in_cascades(o, d, near, far, step, shift, growth)
        elif space:
            begins[r] = first_distance(o, d, near, step, shift, space == 1)
        elif ks[r] < 0:
            continue
        alive[alive_count] = r
        alive_count += 1
    while alive_count:
        count, run_count = 0, 0
        for a in range(alive_count):
            r = alive[a]
            o, d = origins[first + r], directions[first + r]
            want = min(window, limit - looked[r])
            if space == CASCADES:
                found, begins[r], ended[r] = march_on_cascades(
                    o, d, begins[r], far, distances, resolution, step, growth, want, px, py, pz,
                    ts, lengths, count,
                )  # fmt: skip
            elif space:
                found, begins[r], ended[r] = march_on_contracted(
                    o, d, begins[r], far, distances, resolution, step, space == 1, want, px, py,
                    pz, ts, lengths, count,
                )  # fmt: skip
            else:
                found, ks[r], ended[r] = march_on(
                    o, d, near, far, distances, resolution, step, jitter[first + r], ks[r], want,
                    px, py, pz, ts, lengths, count,
                )  # fmt: skip
            looked[r] += found
            ended[r] = ended[r] or looked[r] >= limit
            if found:
                runs[run_count, 0], runs[run_count, 1], runs[run_count, 2] = r, count, found
                run_count += 1
                count += found
        if count == 0:
            break
        stop = (count + ROWS - 1) // ROWS * ROWS
        for i in range(count, stop):
            px[i] = py[i] = pz[i] = _f32(0.5)
            lengths[i] = step
        encode(
            px, py, pz, table, scales, strides, dense, offsets, encoded, width, stop, index, weights
        )  # fmt: skip
        first_outputs(encoded, width, w1, w2, hidden, out, passes, stop)
        for at in range(0, stop, COLUMNS):
            exp_16(passes, at)
        for i in range(stop):
            passes[i] *= -lengths[i]
        for at in range(0, stop, COLUMNS):
            exp_16(passes, at)
        alive_count = 0
        for q in range(run_count):
            r, start, found = runs[q, 0], runs[q, 1], runs[q, 2]
            light, i = left[r], start
            while i < start + found and light >= stop_at:
                passed = passes[i]
                light *= passed
                if _f32(1) - passed < least:
                    i += 1
                    continue
                if kept < len(slab):  # NaN comes here, too
                    row = slab[kept]
                    row[0], row[1], row[2] = px[i], py[i], pz[i]
                    row[3], row[4] = ts[i], lengths[i]
                    for f in range(width):
                        row[5 + f] = encoded[i * width + f]
                    owners[kept] = first + r
                kept += 1
                counts[first + r] += 1
                i += 1
            left[r] = light
            if light >= stop_at and not ended[r]:
                alive[alive_count] = r
                alive_count += 1
        window = min(2 * window, _WIDEST)
    return kept


@njit(**PARALLEL)
def _march(  # type: ignore[no-untyped-def]
    origins, directions, jitter, near, far, distances, resolution, step, space, growth, limit,
    table, scales, strides, dense, offsets, w, stop_at, least, slab, owners, counts, needed, tasks,
):  # fmt: skip
    total = len(origins)
    groups = len(slab)
    for task in prange(tasks):
        room = _GROUP * _WIDEST + ROWS
        px, py, pz = (
            np.empty(room, np.float32),
            np.empty(room, np.float32),
            np.empty(room, np.float32),
        )
        ts, lengths = np.empty(room, np.float32), np.empty(room, np.float32)
        width, inner, outputs = w[0].shape[0], w[0].shape[1], w[1].shape[1]
        encoded = np.zeros(room * width, np.float32)
        hidden = np.empty(CHUNK * inner, np.float32)
        out = np.empty(CHUNK * outputs, np.float32)
        passes = np.zeros(room + COLUMNS, np.float32)
        index = np.zeros((2, CORNERS), np.uint32)
        weights = np.zeros((2, CORNERS), np.float32)
        runs = np.empty((_GROUP, 3), np.int64)
        ks, looked = np.empty(_GROUP, np.int64), np.empty(_GROUP, np.int64)
        begins, left = np.empty(_GROUP, np.float32), np.empty(_GROUP, np.float32)
        alive, ended = np.empty(_GROUP, np.int64), np.empty(_GROUP, np.bool_)
        for group in range(task, groups, tasks):
            first = group * _GROUP
            needed[group] = _march_group(
                origins, directions, jitter, near, far, distances, resolution, step, space, growth,
                limit, table, scales, strides, dense, offsets, w, stop_at, least, slab[group],
                owners[group], counts, first, min(_GROUP, total - first), px, py, pz, ts, lengths,
                encoded, hidden, out, passes, index, weights, runs, ks, begins, looked, left, alive,
                ended,
            )  # fmt: skip


@njit(**PARALLEL)
def _pack(slab, owners, needed, offsets, positions, t, rays, deltas, encoded):  # type: ignore[no-untyped-def]
    """A ray's samples are front to back in its group's part, between those of others."""
    width = encoded.shape[1]
    for group in prange(len(slab)):
        taken = np.zeros(_GROUP, np.int64)
        first = group * _GROUP
        for i in range(needed[group]):
            row, ray = slab[group, i], owners[group, i]
            to = offsets[ray] + taken[ray - first]
            taken[ray - first] += 1
            positions[to, 0], positions[to, 1], positions[to, 2] = row[0], row[1], row[2]
            t[to], deltas[to], rays[to] = row[3], row[4], ray
            for f in range(width):
                encoded[to, f] = row[5 + f]
