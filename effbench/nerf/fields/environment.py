"""What lies behind everything: a colour for every direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample


class Environment(nn.Module):
    """A sphere at infinity: S×S colours, before the sigmoid, on an octahedral map (Cigolle et al.
    2014), interpolated bilinearly. It begins grey."""

    def __init__(self, resolution: int = 64) -> None:
        super().__init__()
        self.texels = nn.Parameter(torch.zeros(1, 3, resolution, resolution))

    def forward(self, directions: Tensor) -> Tensor:
        """Return colours [R, 3] in (0, 1) in unit directions [R, 3]."""
        at = octahedral(directions)[None, :, None]
        found = grid_sample(self.texels, at, padding_mode="border", align_corners=False)
        return torch.sigmoid(found[0, :, :, 0].T)


def octahedral(directions: Tensor) -> Tensor:
    """Map directions [R, 3] onto [−1, 1]², [R, 2]: the half z ≥ 0 onto |u| + |v| ≤ 1, the other
    folded outwards around it."""
    projected = directions / directions.abs().sum(1, keepdim=True)
    upper, z = projected[:, :2], projected[:, 2:]
    sign = torch.where(upper >= 0, 1.0, -1.0)
    folded = (1 - upper.flip(1).abs()) * sign
    return torch.where(z >= 0, upper, folded)
