"""Post-training quantisation of hash tables: half floats, or int8 with a scale per level.

Levels differ in the size of their features by orders of magnitude, so that each level and feature
has a scale of its own. With clip="mse" the range of int8 is the one that leaves the smallest
squared error: a few large entries beyond it are cut, for a finer grid under all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from effbench.kernels.hash_encoding import HashLayout

Clip = Literal["mse", "max"]

_MOST = 127  # symmetric: −128 is not used
_SHARES = torch.linspace(1, 0.2, 41)  # of the largest entry, tried as the range


@dataclass(frozen=True)
class QuantizedTable:
    """values: float16 or int8 [S, F]; scales: float32 [L, F] of int8 values, else None.

    An entry of level l and feature f stands for values·scales[l, f].
    """

    values: Tensor
    scales: Tensor | None = None

    def dequantized(self, layout: HashLayout) -> Tensor:
        """Return the table as float32 [S, F]."""
        table = self.values.float()
        if self.scales is None:
            return table
        rows = torch.from_numpy(layout.offsets).diff().to(table.device)
        return table * self.scales.repeat_interleave(rows, 0)


def quantize_table(
    table: Tensor, layout: HashLayout, precision: Literal["fp16", "int8"], clip: Clip = "mse"
) -> QuantizedTable:
    """Return `table` (float32 [S, F]) in half floats, or as int8 with a scale per level."""
    table = table.detach()
    if precision == "fp16":
        return QuantizedTable(table.half())
    values = torch.empty(table.shape, dtype=torch.int8, device=table.device)
    scales = torch.empty(layout.levels, table.shape[1], device=table.device)
    for level in range(layout.levels):
        rows = slice(int(layout.offsets[level]), int(layout.offsets[level + 1]))
        for feature in range(table.shape[1]):
            entries = table[rows, feature]
            scale = _scale(entries, clip)
            values[rows, feature] = _rounded(entries, scale).to(torch.int8)
            scales[level, feature] = scale
    return QuantizedTable(values, scales)


def _scale(entries: Tensor, clip: Clip) -> Tensor:
    """Return what one step of int8 stands for (0-d); 1 for entries that are all zero."""
    largest = entries.abs().max()
    if largest == 0:
        return torch.ones_like(largest)
    if clip == "max":
        return largest / _MOST
    candidates = _SHARES.to(entries.device) * largest / _MOST
    errors = [((_rounded(entries, s) * s - entries) ** 2).sum() for s in candidates]
    return candidates[torch.stack(errors).argmin()]


def _rounded(entries: Tensor, scale: Tensor) -> Tensor:
    return (entries / scale).round().clamp(-_MOST, _MOST)
