"""Tables of numbers as int8 with a scale for each column.

With clip="mse" the range of int8 is the one that leaves the smallest squared error: a few large
entries beyond it are cut, for a finer grid under all others.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Clip = Literal["mse", "max"]

_MOST = 127  # symmetric: −128 is not used
_SHARES = torch.linspace(1, 0.2, 41)  # of the largest entry, tried as the range


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
