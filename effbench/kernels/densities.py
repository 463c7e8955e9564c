"""Densities of a hash field at points, without gradient: what an occupancy grid asks for."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.mlp import mlp_reference
from effbench.kernels.ray_rendering import HashNetworks


@torch.no_grad()
def density_at(positions: Tensor, field: HashNetworks, backend: str = "auto") -> Tensor:
    """Return the density (float32 [N] ≥ 0) at positions [N, 3] in [0, 1], computed in float32."""
    if resolve(backend, positions.device) != "cpu":
        return density_at_reference(positions, field, backend)
    from effbench.kernels.cpu import densities as cpu
    from effbench.kernels.cpu.layers import padded

    first, second = (layer.detach().float().t().contiguous().numpy() for layer in field.density)
    hidden = padded(first)
    weights = (hidden, padded(second, rows=hidden.shape[1]))
    table = field.table.detach().float().numpy()
    found = cpu.densities(positions.contiguous().numpy(), table, field.layout, weights)
    return torch.from_numpy(found)


def density_at_reference(
    positions: Tensor, field: HashNetworks, backend: str = "reference"
) -> Tensor:
    """The definition, part by part."""
    encoded = hash_encode(positions, field.table, field.layout, backend)
    return mlp_reference(encoded, field.density)[:, 0].exp()
