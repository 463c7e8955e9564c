"""Hash encoding in Triton: a program takes a block of points at one level.

Programs of one level run one after another, so that the rows of that level stay in the L2 cache.
A row's two features are one vector load.

Backward, the levels differ in what costs: fine ones scatter over the table, coarse ones have few
rows that all points add to. So each lane walks along a run of consecutive samples, which lie on
one ray and often in one cell, and keeps the cell's gradient in registers until the cell changes;
only then it adds to memory, atomically and in no particular order, so that sums differ in their
last digits from run to run. A lane that has met no gradient but 0 adds nothing: slots of the tail
would all do so to the same few rows.
"""

from __future__ import annotations

from functools import cache

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch
from effbench.kernels.hash_layout import HashLayout

_POINTS = 256  # per program, forward
_LANES = 32  # per program, backward, each with its run of samples
_RUN = 16  # samples per lane: a ray crosses a cell of the coarsest level in some tens


def forward(positions: Tensor, table: Tensor, layout: HashLayout, features: Tensor) -> None:
    """Write the encoding of `positions` (float32 [N, 3]) into `features` ([N, 2·L])."""
    count = len(positions)
    grid = (blocks(count, _POINTS), layout.levels)
    launch(
        _forward,
        grid,
        positions,
        table,
        *_levels(layout, positions.device),
        features,
        count,
        WIDTH=layout.width,
        BLOCK=_POINTS,
    )


def backward(positions: Tensor, gradient: Tensor, layout: HashLayout, table_grad: Tensor) -> None:
    """Add the `gradient` of the features ([N, 2·L]) to `table_grad` (float32 [S, 2])."""
    count = len(positions)
    grid = (blocks(count, _LANES * _RUN), layout.levels)
    launch(
        _backward,
        grid,
        positions,
        gradient,
        *_levels(layout, positions.device),
        table_grad,
        count,
        WIDTH=layout.width,
        BLOCK=_LANES,
        RUN=_RUN,
    )


@cache
def _levels(layout: HashLayout, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return scales (float32 [L]) and, int64 [L, 3], each level's first row, its stride (0 where
    it is hashed) and the mask that takes a hash modulo its size (0 where it is dense)."""
    mask = (1 << layout.log2_table) - 1
    rows = [
        (int(offset), int(stride), 0) if dense else (int(offset), 0, mask)
        for offset, stride, dense in zip(
            layout.offsets[:-1], layout.strides, layout.dense, strict=True
        )
    ]
    scales = torch.from_numpy(layout.scales).to(device)
    return scales, torch.tensor(rows, dtype=torch.int64, device=device)


@jit
def _cell(positions, i, inside, scale):  # type: ignore[no-untyped-def]
    """Return the first vertex of the points' cells and the fractions within the cells."""
    x = tl.load(positions + i * 3, mask=inside, other=0.0) * scale + 0.5
    y = tl.load(positions + i * 3 + 1, mask=inside, other=0.0) * scale + 0.5
    z = tl.load(positions + i * 3 + 2, mask=inside, other=0.0) * scale + 0.5
    cx, cy, cz = tl.floor(x), tl.floor(y), tl.floor(z)
    return cx.to(tl.int32), cy.to(tl.int32), cz.to(tl.int32), x - cx, y - cy, z - cz


@jit
def _row(x, y, z, stride, mask):  # type: ignore[no-untyped-def]
    """Return the level's row of vertices (int32); see `effbench.kernels.hash_encoding.PRIMES`."""
    x, y, z = x.to(tl.uint32), y.to(tl.uint32), z.to(tl.uint32)
    dense = x + stride * (y + stride * z)
    hashed = (x ^ (y * 2654435761) ^ (z * 805459861)) & mask
    return tl.where(stride > 0, dense, hashed).to(tl.int32)


@jit
def _weight(bit, fraction):  # type: ignore[no-untyped-def]
    return tl.where(bit == 1, fraction, 1.0 - fraction)


@jit
def _forward(  # type: ignore[no-untyped-def]
    positions, table, scales, levels, features, count, WIDTH: tl.constexpr, BLOCK: tl.constexpr
):
    level = tl.program_id(1)
    scale = tl.load(scales + level)
    first = tl.load(levels + level * 3)
    stride = tl.load(levels + level * 3 + 1).to(tl.uint32)
    mask = tl.load(levels + level * 3 + 2).to(tl.uint32)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    feature = tl.arange(0, 2)[None, :]
    cx, cy, cz, fx, fy, fz = _cell(positions, i, inside, scale)
    rows = table + first * 2
    total = tl.zeros([BLOCK, 2], tl.float32)
    for corner in tl.static_range(8):
        bx, by, bz = corner & 1, (corner >> 1) & 1, corner >> 2
        row = _row(cx + bx, cy + by, cz + bz, stride, mask)
        weight = _weight(bx, fx) * _weight(by, fy) * _weight(bz, fz)
        entry = tl.load(rows + row[:, None] * 2 + feature, mask=inside[:, None], other=0.0)
        total += weight[:, None] * entry
    out = features + i[:, None].to(tl.int64) * WIDTH + level * 2 + feature
    tl.store(out, total, mask=inside[:, None])


@jit
def _add(rows, x, y, z, stride, mask, total, where):  # type: ignore[no-untyped-def]
    """Add `total` [B, 8, 2] to the vertices of cells (x, y, z) [B] where `where` [B] holds."""
    corner = tl.arange(0, 8)[None, :]
    vx, vy, vz = (
        x[:, None] + (corner & 1),
        y[:, None] + (corner >> 1 & 1),
        z[:, None] + (corner >> 2),
    )
    row = _row(vx, vy, vz, stride, mask)
    out = rows + row[:, :, None] * 2 + tl.arange(0, 2)[None, None, :]
    tl.atomic_add(out, total, mask=where[:, None, None], sem="relaxed")


@jit
def _backward(  # type: ignore[no-untyped-def]
    positions,
    gradient,
    scales,
    levels,
    table_grad,
    count,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    RUN: tl.constexpr,
):
    level = tl.program_id(1)
    scale = tl.load(scales + level)
    rows = table_grad + tl.load(levels + level * 3) * 2
    stride = tl.load(levels + level * 3 + 1).to(tl.uint32)
    mask = tl.load(levels + level * 3 + 2).to(tl.uint32)
    start = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)) * RUN
    feature = tl.arange(0, 2)[None, :]
    corner = tl.arange(0, 8)[None, :]
    px, py, pz, _, _, _ = _cell(positions, start, start < count, scale)
    total = tl.zeros([BLOCK, 8, 2], tl.float32)
    some = start < 0  # whether any of it may not be 0
    for k in range(RUN):
        i = start + k
        inside = i < count
        cx, cy, cz, fx, fy, fz = _cell(positions, i, inside, scale)
        changed = inside & ((cx != px) | (cy != py) | (cz != pz))
        _add(rows, px, py, pz, stride, mask, total, changed & some)
        weight = (
            _weight(corner & 1, fx[:, None])
            * _weight(corner >> 1 & 1, fy[:, None])
            * _weight(corner >> 2, fz[:, None])
        )
        at = gradient + i.to(tl.int64) * WIDTH + level * 2
        first = tl.load(at, mask=inside, other=0.0)
        second = tl.load(at + 1, mask=inside, other=0.0)
        slope = tl.where(feature == 0, first[:, None], second[:, None])
        added = weight[:, :, None] * slope[:, None, :]
        total = tl.where(changed[:, None, None], 0.0, total) + added
        some = (some & ~changed) | (first != 0.0) | (second != 0.0)
        px = tl.where(changed, cx, px)
        py = tl.where(changed, cy, py)
        pz = tl.where(changed, cz, pz)
    _add(rows, px, py, pz, stride, mask, total, some)
