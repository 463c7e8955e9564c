"""Post-training quantisation of hash tables: half floats, or int8 with a scale per level.

Levels differ in the size of their features by orders of magnitude, so that each level and feature
has a scale of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from effbench.export.int8 import Clip, quantize_columns
from effbench.kernels.hash_layout import HashLayout


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
