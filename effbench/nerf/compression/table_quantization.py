"""Post-training quantisation of hash tables: half floats, or int8 with a scale per level.

Levels differ in the size of their features by orders of magnitude, so that each level and feature
has a scale of its own. With clip="mse" the range of int8 is the one that leaves the smallest
squared error: a few large entries beyond it are cut, for a finer grid under all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
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
    levels = torch.split(table, [int(rows) for rows in np.diff(layout.offsets)])
    values, scales = zip(*(quantize_columns(level, clip) for level in levels), strict=True)
    return QuantizedTable(torch.cat(values), torch.stack(scales))


def quantize_columns(table: Tensor, clip: Clip = "mse") -> tuple[Tensor, Tensor]:
    """Return `table` (float32 [S, F]) as int8 [S, F] and what a step of each column stands for,
    float32 [F]."""
    scales = torch.stack([_scale(column, clip) for column in table.unbind(1)])
    return _rounded(table, scales).to(torch.int8), scales


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
