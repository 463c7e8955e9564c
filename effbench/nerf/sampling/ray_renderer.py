"""Volume rendering of a hash field as one graph of plain tensor operations, for export.

The same samples as `OccupancySampler.render` takes, all at once instead of in waves: K lattice
points on each of R rays, of which only the M in occupied cells are looked up. Everything a file
needs is a buffer of the module: no kernel, no loop, no shape but R and M that is not constant.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.kernels.hash_encoding import PRIMES
from effbench.kernels.hash_layout import FEATURES, HashLayout
from effbench.kernels.marching import cube_interval
from effbench.kernels.rays import spherical_harmonics
from effbench.nerf.fields import HashField
from effbench.nerf.sampling.sampler import OccupancySampler


class HashEncoder(nn.Module):
    """`hash_encode` for all levels and corners at once: [M, 3] in [0, 1] → [M, L·F].

    A runtime without a kernel for this spends its time on memory: what is computed for each of the
    eight corners is only how two terms per axis combine to a row, and it is in 32 bits.

    table: [S, F], float32, or quantised: float16, or int8 with `scales`, float32 [L, F].
    """

    table: Tensor
    scales: Tensor
    spacing: Tensor
    offsets: Tensor
    factors: Tensor

    def __init__(self, table: Tensor, layout: HashLayout, scales: Tensor | None = None) -> None:
        super().__init__()
        self.mask = (1 << layout.log2_table) - 1
        self.dense = int(layout.dense.sum())  # levels, the coarsest ones
        self.quantised = scales is not None
        strides = layout.strides.astype(np.int64)[:, None] ** np.arange(3)
        # of a product's bits, the lowest depend on those of its factors alone
        factors = np.where(layout.dense[:, None], strides, np.array(PRIMES) & self.mask)
        largest = int(factors.max()) * (int(layout.strides.max()) + 1)
        integer = torch.int32 if largest < 1 << 31 else torch.int64
        self.register_buffer("table", table.detach())
        self.register_buffer("scales", scales if scales is not None else torch.ones(1, FEATURES))
        self.register_buffer("spacing", torch.from_numpy(layout.scales))
        self.register_buffer("factors", torch.from_numpy(factors).to(integer))
        self.register_buffer("offsets", torch.from_numpy(layout.offsets[:-1].copy()).to(integer))

    def forward(self, positions: Tensor) -> Tensor:
        scaled = positions[:, None] * self.spacing[:, None] + 0.5  # [M, L, 3]
        cell = scaled.floor()
        inside = scaled - cell
        features = functional.embedding(self._rows(cell), self.table).float()
        for axis in range(3):  # [M, L, 2 (z), 2 (y), 2 (x), F], less one axis each time
            low, high = features.unbind(-2)
            part = inside[(..., axis, *[None] * (3 - axis))]
            features = low + part * (high - low)
        return (features * self.scales if self.quantised else features).flatten(1)

    def _rows(self, cell: Tensor) -> Tensor:
        """Return the rows [M, L, 2, 2, 2] of the corners (z, y, x) of cells [M, L, 3]."""
        low = cell.to(self.factors.dtype) * self.factors
        x, y, z = torch.stack([low, low + self.factors], -1).unbind(2)  # [M, L, 2] each
        x, y, z = x[:, :, None, None, :], y[:, :, None, :, None], z[:, :, :, None, None]
        first, rest = slice(0, self.dense), slice(self.dense, None)
        direct = z[:, first] + y[:, first] + x[:, first]
        hashed = (z[:, rest] ^ y[:, rest] ^ x[:, rest]) & self.mask
        return torch.cat([direct, hashed], 1) + self.offsets[:, None, None, None]


class RayRenderer(nn.Module):
    """origins, directions [R, 3] (world units, unit length) → colours [R, 3] over `background`."""

    occupied: Tensor
    corner: Tensor
    background: Tensor
    lattice: Tensor

    def __init__(
        self,
        encoder: HashEncoder,
        field: HashField,
        sampler: OccupancySampler,
        background: Tensor,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.density_layers = nn.ParameterList([w.detach() for w in field.density_layers])
        self.color_layers = nn.ParameterList([w.detach() for w in field.color_layers])
        self.step = sampler.render_step
        self.early_stop_eps = sampler.options.early_stop_eps
        self.resolution = sampler.grid.resolution
        aabb = sampler.space.aabb
        self.near, self.far, self.side = aabb.near, aabb.far, aabb.side
        most = math.ceil(math.sqrt(3) / self.step) + 1
        self.register_buffer("lattice", (torch.arange(most) + 0.5) * self.step)
        self.register_buffer("occupied", sampler.grid.occupied())
        self.register_buffer("corner", aabb.corner)
        self.register_buffer("background", background)

    def forward(self, origins: Tensor, directions: Tensor) -> Tensor:
        start = (origins - self.corner) / self.side
        enter, leave = cube_interval(start, directions)
        t = enter.clamp_min(self.near)[:, None] + self.lattice
        points = start[:, None] + t[..., None] * directions[:, None]  # [R, K, 3]
        kept = (t < leave.clamp_max(self.far)[:, None]) & self._occupied(points)
        ray, k = kept.nonzero().unbind(-1)
        optical_depth, color = self._shade(points[ray, k].clamp(0, 1), directions[ray])
        dense = torch.zeros_like(t).index_put((ray, k), optical_depth)
        left = torch.exp(dense - dense.cumsum(1))  # transmittance in front of each point
        left = torch.where(left >= self.early_stop_eps, left, 0)
        weight = left * -torch.expm1(-dense)
        shares = weight[ray, k, None] * color
        total = torch.zeros_like(origins).index_add(0, ray, shares)
        return (total + (1 - weight.sum(1, keepdim=True)) * self.background).clamp(0, 1)

    def _occupied(self, points: Tensor) -> Tensor:
        cell = (points * self.resolution).long().clamp(0, self.resolution - 1)
        x, y, z = cell.unbind(-1)
        return self.occupied[(z * self.resolution + y) * self.resolution + x]

    def _shade(self, positions: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Return optical depth [M] and colour [M, 3] of samples."""
        output = _mlp(self.encoder(positions), self.density_layers)
        optical_depth = torch.exp(output[:, 0]) * self.step
        features = torch.cat([spherical_harmonics(directions, "reference"), output[:, 1:]], 1)
        return optical_depth, torch.sigmoid(_mlp(features, self.color_layers))


def _mlp(x: Tensor, layers: nn.ParameterList) -> Tensor:
    *hidden, last = layers
    for weight in hidden:
        x = functional.relu(functional.linear(x, weight))
    return functional.linear(x, last)
