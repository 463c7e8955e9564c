"""How tiny-cuda-nn lays out the parameters of a hash field, and the way there and back.

Its documentation and source say: level l has scale s_l = 2^(l·log₂ b)·base − 1 and
r_l = ⌈s_l⌉ + 1 vertices per axis; a level has min(⌈r_l³⌉₈, T) entries, where ⌈ ⌉₈ rounds up to a
multiple of 8, and is hashed as ours is when r_l³ > T. Points near the far faces of the cube touch
vertex r_l too: there a dense index runs over, x into the next row, and wraps modulo the entries.
Ours has r_l + 1 vertices per axis, so that this cannot happen (`effbench.kernels.hash_encoding`).

Weights of its networks lie one matrix after another, each [outputs, inputs] by rows, outputs of the
last one padded with rows to a multiple of 16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.hash_encoding import PRIMES
from effbench.kernels.hash_layout import HashLayout

_TILE = 16  # inputs and outputs of fully fused networks come in such steps


@dataclass(frozen=True)
class TcnnGrid:
    """tiny-cuda-nn's table for the same levels as `layout`."""

    layout: HashLayout

    @property
    def config(self) -> dict[str, object]:
        """The encoding's JSON configuration."""
        ours = self.layout
        return {
            "otype": "HashGrid",
            "n_levels": ours.levels,
            "n_features_per_level": 2,
            "log2_hashmap_size": ours.log2_table,
            "base_resolution": ours.base,
            "per_level_scale": self._growth,
        }

    @property
    def _growth(self) -> float:
        ours = self.layout
        return math.exp(math.log(ours.finest / ours.base) / max(ours.levels - 1, 1))

    @cached_property
    def resolutions(self) -> NDArray[np.int64]:
        """int64 [L]: vertices per axis r_l, in the float32 arithmetic of its kernels."""
        log2 = np.float32(np.log2(np.float32(self._growth)))
        level = np.arange(self.layout.levels, dtype=np.float32)
        scale = np.exp2(level * log2) * np.float32(self.layout.base) - np.float32(1)
        return np.asarray(np.ceil(scale) + 1, np.int64)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """int64 [L]: entries per level."""
        dense = (self.resolutions**3 + 7) // 8 * 8
        return np.minimum(dense, 1 << self.layout.log2_table)

    @property
    def dense(self) -> NDArray[np.bool_]:
        """bool [L]: whether a level is addressed directly."""
        return np.asarray(self.resolutions**3 <= self.sizes)

    @property
    def rows(self) -> int:
        return int(self.sizes.sum())

    def from_ours(self, table: Tensor) -> Tensor:
        """Return its table [rows, 2] for our `table` [S, 2]; exact but for points within half a
        cell of the cube's far faces."""
        parts = []
        for level in range(self.layout.levels):
            first, end = self.layout.offsets[level : level + 2]
            ours, size = table[first:end], int(self.sizes[level])
            if not self.dense[level]:
                if self.layout.dense[level]:
                    raise self._differs(level)
                parts.append(ours)
                continue
            side = int(self.resolutions[level])
            beyond = _lattice(side)[: size - side**3] + torch.tensor([0, 0, side])
            vertices = torch.cat([_lattice(side), beyond])  # up to a multiple of 8
            parts.append(ours[_our_rows(vertices, level, self.layout).to(table.device)])
        return torch.cat(parts)

    def to_ours(self, table: Tensor) -> Tensor:
        """Return our table [S, 2] for its `table` [rows, 2]; exact everywhere.

        Raises ConfigError for a level that is hashed in ours and dense in its table.
        """
        ours = table.new_zeros(self.layout.rows, 2)
        starts = np.concatenate([[0], np.cumsum(self.sizes)])
        for level in range(self.layout.levels):
            theirs = table[starts[level] : starts[level + 1]]
            first = int(self.layout.offsets[level])
            if self.layout.dense[level] != self.dense[level]:
                raise self._differs(level)
            if not self.dense[level]:
                ours[first : first + len(theirs)] = theirs
                continue
            vertices = _lattice(int(self.layout.strides[level]))
            x, y, z = vertices.unbind(1)
            side = int(self.resolutions[level])
            index = (x + side * (y + side * z)) % len(theirs)
            rows = _our_rows(vertices, level, self.layout).to(table.device)
            ours[first + rows] = theirs[index.to(table.device)]
        return ours

    def _differs(self, level: int) -> ConfigError:
        return ConfigError(
            f"level {level} is hashed in one layout and dense in the other, so that tables cannot "
            "be converted: choose another log2_table or base_resolution"
        )


def _lattice(side: int) -> Tensor:
    """Return all vertices (int64 [side³, 3]) of a lattice, x fastest."""
    axis = torch.arange(side)
    return torch.cartesian_prod(axis, axis, axis).flip(1)


def _our_rows(vertices: Tensor, level: int, layout: HashLayout) -> Tensor:
    """Return the rows (int64 [N]) of `vertices` within their level."""
    x, y, z = vertices.unbind(1)
    if layout.dense[level]:
        stride = int(layout.strides[level])
        return x + stride * (y + stride * z)
    mask = (1 << layout.log2_table) - 1
    return (x ^ (y * PRIMES[1]) ^ (z * PRIMES[2])) & mask


def padded(width: int) -> int:
    """Return the next multiple of 16."""
    return -(-width // _TILE) * _TILE


def network_config(hidden: int, layers: int) -> dict[str, object]:
    """Return the JSON configuration of a network of `layers` hidden layers, ReLU, no biases."""
    fused = hidden in (16, 32, 64, 128)
    return {
        "otype": "FullyFusedMLP" if fused else "CutlassMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": hidden,
        "n_hidden_layers": layers,
    }


def pack_network(weights: list[Tensor]) -> Tensor:
    """Return a network's flat parameters for our weights, each [outputs, inputs]."""
    first, *middle, last = weights
    first = torch.nn.functional.pad(first, (0, padded(first.shape[1]) - first.shape[1]))
    last = torch.nn.functional.pad(last, (0, 0, 0, padded(last.shape[0]) - last.shape[0]))
    return torch.cat([matrix.flatten() for matrix in (first, *middle, last)])


def unpack_network(flat: Tensor, shapes: list[tuple[int, int]]) -> list[Tensor]:
    """Return our weights, of the given shapes, of a network's flat parameters."""
    last = len(shapes) - 1
    sizes = [
        (padded(outputs) if i == last else outputs, padded(inputs) if i == 0 else inputs)
        for i, (outputs, inputs) in enumerate(shapes)
    ]
    total = sum(rows * columns for rows, columns in sizes)
    if total != len(flat):
        raise ConfigError(
            f"a network has {len(flat)} parameters where {total} were expected: this version of "
            "tinycudann lays them out otherwise"
        )
    parts = torch.split(flat, [rows * columns for rows, columns in sizes])
    return [
        part.view(size)[:outputs, :inputs]
        for part, size, (outputs, inputs) in zip(parts, sizes, shapes, strict=True)
    ]
