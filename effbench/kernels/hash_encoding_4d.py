"""Multiresolution hash encoding of points in space and a fourth coordinate, such as time.

Notation as in `hash_encoding`, with 16 vertices to a cell. On a CPU there is a kernel; elsewhere
the definition runs, in eager torch.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.backends import resolve
from effbench.kernels.hash_encoding import PRIMES
from effbench.kernels.hash_layout import FEATURES

_PRIME = 3674653429  # of the fourth coordinate
_MASK = 0xFFFFFFFF  # the hash is defined on 32-bit unsigned integers


@dataclass(frozen=True)
class HashLayout4D:
    """Where each level's entries lie.

    levels: L ≥ 1; log2_table: log2 T; base, finest: lattice resolution in space of the first and
    last level; fourth_base, fourth_finest: along the fourth axis. A level whose vertices fit in T
    is dense.
    """

    levels: int
    log2_table: int
    base: int
    finest: int
    fourth_base: int
    fourth_finest: int

    def __post_init__(self) -> None:
        ends = ((self.base, self.finest), (self.fourth_base, self.fourth_finest))
        if self.levels < 1 or any(low < 1 or high < low for low, high in ends):
            raise ConfigError(
                f"hash encoding needs levels ≥ 1 and 1 ≤ base ≤ finest, not {self.levels} levels "
                f"from {self.base} to {self.finest} and {self.fourth_base} to {self.fourth_finest}"
            )

    @cached_property
    def scales(self) -> list[tuple[float, float]]:
        """Per level the scale in space and along the fourth axis."""
        steps = max(self.levels - 1, 1)

        def scale(low: int, high: int, level: int) -> float:
            return low * math.exp(math.log(high / low) * level / steps) - 1

        ends = ((self.base, self.finest), (self.fourth_base, self.fourth_finest))
        return [tuple(scale(*end, level) for end in ends) for level in range(self.levels)]  # type: ignore[misc]

    @cached_property
    def strides(self) -> list[tuple[int, int]]:
        """Per level the vertices per axis in space, and along the fourth axis."""
        return [(math.ceil(s) + 2, math.ceil(t) + 2) for s, t in self.scales]

    @cached_property
    def sizes(self) -> list[int]:
        """Entries of each level."""
        return [min(s**3 * t, 1 << self.log2_table) for s, t in self.strides]

    @property
    def rows(self) -> int:
        return sum(self.sizes)

    @property
    def width(self) -> int:
        """Output features, L·F."""
        return self.levels * FEATURES


def hash_encode_4d(
    points: Tensor, table: Tensor, layout: HashLayout4D, backend: str = "auto"
) -> Tensor:
    """Encode `points` (float32 [N, 4] in [0, 1]) with `table` ([S, F]) as [N, L·F]; differentiable
    in both."""
    if resolve(backend, points.device) == "cpu":
        return _HashEncode4D.apply(points.contiguous(), table, layout)  # type: ignore[no-any-return, no-untyped-call]
    return hash_encode_4d_reference(points, table, layout)


class _HashEncode4D(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, layout: HashLayout4D) -> Tensor:
        from effbench.kernels.cpu import hash_encoding_4d as cpu

        ctx.layout = layout
        ctx.save_for_backward(points, table)
        features = points.new_empty(len(points), layout.width)
        cpu.forward(
            points.detach().numpy(), table.detach().numpy(), _levels(layout), features.numpy()
        )
        return features

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        from effbench.kernels.cpu import hash_encoding_4d as cpu

        points, table = (saved.detach() for saved in ctx.saved_tensors)
        given, levels = gradient.float().contiguous().numpy(), _levels(ctx.layout)
        by_points = by_table = None
        if ctx.needs_input_grad[0]:
            by_points = torch.empty_like(points)
            cpu.backward_points(points.numpy(), given, table.numpy(), levels, by_points.numpy())
        if ctx.needs_input_grad[1]:
            by_table = torch.zeros_like(table)
            cpu.backward_table(points.numpy(), given, levels, by_table.numpy())
        return by_points, by_table, None


def _levels(layout: HashLayout4D) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales [L, 2] and, per level, vertices per axis of both, first row and rows."""
    firsts = np.concatenate([[0], np.cumsum(layout.sizes)[:-1]])
    shapes = np.column_stack([np.array(layout.strides), firsts, layout.sizes])
    return np.array(layout.scales, np.float32), shapes.astype(np.int64)


def hash_encode_4d_reference(points: Tensor, table: Tensor, layout: HashLayout4D) -> Tensor:
    """Do as `hash_encode_4d`, slowly, in any precision."""
    features, first = [], 0
    for (space, fourth), stride, size in zip(
        layout.scales, layout.strides, layout.sizes, strict=True
    ):
        scale = points.new_tensor([space, space, space, fourth])
        scaled = points * scale + 0.5
        cell = scaled.detach().floor()
        fraction = scaled - cell
        total = torch.zeros(len(points), FEATURES, dtype=points.dtype, device=points.device)
        for corner in itertools.product((0, 1), repeat=4):
            bits = torch.tensor(corner, device=points.device)
            weight = torch.where(bits == 1, fraction, 1 - fraction).prod(-1, keepdim=True)
            rows = first + _row(cell.long() + bits, stride, size)
            total = total + weight * table[rows]
        features.append(total)
        first += size
    return torch.cat(features, -1)


def _row(vertex: Tensor, stride: tuple[int, int], size: int) -> Tensor:
    """Return the row within its level (int64 [N]) of lattice `vertex` (int64 [N, 4])."""
    x, y, z, w = vertex.unbind(-1)
    side, depth = stride
    if side**3 * depth <= size:
        return x + side * (y + side * (z + side * w))
    hashed = x ^ (y * PRIMES[1] & _MASK) ^ (z * PRIMES[2] & _MASK) ^ (w * _PRIME & _MASK)
    return hashed % size
