"""Learned features of a ray's points, which a small light field reads beside their positions.

A frequency encoding leaves it to the network to know what is where; a multiresolution hash table
(Müller et al. 2022) remembers it, and a narrow network suffices. Notation: V views, h×w rays, P
points per ray, L·F features per point, C = 3·P·(1 + 2·frequencies) channels of an encoded ray.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import FEATURES, HashLayout

_INITIAL = 1e-4  # as in Müller et al. 2022, section 4


class PointFeatures(nn.Module):
    """Encoded rays [V, C, h, w] to [V, P·L·F + C, h, w]: the features of their points, and they.

    The first 3·P channels are the points, in [−1, 1]³ (those outside have the features of the
    nearest side), which is how `RayEncoder` begins.
    """

    def __init__(self, points: int, layout: HashLayout) -> None:
        super().__init__()
        self.points, self.layout = points, layout
        table = torch.empty(layout.rows, FEATURES).uniform_(-_INITIAL, _INITIAL)
        self.table = nn.Parameter(table)
        self.backend = "auto"  # of the kernels
        self.lookup: Callable[[Tensor], Tensor] | None = None  # in the place of the kernels

    def forward(self, rays: Tensor) -> Tensor:
        rows = rays.permute(0, 2, 3, 1)  # channels last
        points = rows[..., : 3 * self.points].reshape(-1, 3)
        inside = ((points + 1) / 2).clamp(0, 1)
        if self.lookup is None:
            features = hash_encode(inside, self.table, self.layout, self.backend)
        else:
            features = self.lookup(inside)
        width = self.points * self.layout.width
        features = features.view(*rows.shape[:3], width)
        return torch.cat([features, rows.to(features.dtype)], -1).permute(0, 3, 1, 2)
