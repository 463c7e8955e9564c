"""Rays to colours in one operation, for a field of a hash encoding and two small networks.

The definition is what its parts are elsewhere: every sample of a ray in an occupied cell, half a
step behind the lattice (`marching`), as far as it sees transmittance ≥ `early_stop_eps`
(`volume_rendering.visible_counts`), its density and colour, and their composite. Rendering needs
no gradient, so nothing of a sample has to be kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from effbench.kernels.compaction import keep_prefix
from effbench.kernels.contracted_marching import march_contracted_reference
from effbench.kernels.contraction import Norm
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.marching import march_reference
from effbench.kernels.rays import SH_WIDTH, spherical_harmonics
from effbench.kernels.samples import Samples
from effbench.kernels.volume_rendering import composite_reference, visible_counts

# Samples of less weight get no colour of their own from the CPU kernel: the next sample of their
# ray that does, or the background, has their weight besides its own.
LEAST_WEIGHT = 1e-4
_ALL = 1 << 20  # samples of a ray


@dataclass(frozen=True)
class HashNetworks:
    """An Instant-NGP field as plain tensors: table [S, 2], layers [out, in] without biases.

    density: two layers, L·2 → H → 1 + G, of which output 0 is the logarithm of the density; color:
    three, 16 + G → H → H → 3 logits, of spherical harmonics and the other outputs.
    """

    table: Tensor
    layout: HashLayout
    density: tuple[Tensor, Tensor]
    color: tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Marching:
    """How rays go through the grid; notation as in `marching`, or with a `norm` as in
    `contracted_marching`; `distances` of `cpu.cell_distances`, needed by the CPU kernel alone.

    cascades: C, of which the outermost is the field's cube, or 0 for one box of even steps; cone,
    longest: how steps grow there, between `step` and `longest`.
    """

    bits: Tensor
    resolution: int
    step: float
    near: float
    far: float
    distances: Tensor | None = None
    norm: Norm | None = None
    cascades: int = 0
    cone: float = 0.0
    longest: float = math.inf


def render_rays(
    origins: Tensor,
    directions: Tensor,
    field: HashNetworks,
    marching: Marching,
    early_stop_eps: float,
    background: Tensor,
) -> Tensor:
    """Return colours float32 [R, 3] over `background`, [3] or [R, 3], on the CPU.

    origins, directions: float32 [R, 3] in the unit cube (the innermost cascade). Computed in
    float32.
    """
    from effbench.kernels.cpu import ray_rendering as cpu
    from effbench.kernels.cpu.layers import padded

    assert marching.distances is not None
    first, second, third = (layer.detach().float() for layer in field.color)
    density = [layer.detach().float().t().contiguous().numpy() for layer in field.density]
    outputs = padded(density[1]).shape[1]
    # a network's own output, of which column 0, the density, has no part in the colour
    geometry = torch.zeros(outputs, len(first))
    geometry[1 : 1 + first.shape[1] - SH_WIDTH] = first[:, SH_WIDTH:].t()
    hidden = padded(density[0])
    inner = padded(geometry.numpy())
    last = padded(second.t().numpy(), rows=inner.shape[1])
    weights = (
        hidden,
        padded(density[1], rows=hidden.shape[1]),
        padded(first[:, :SH_WIDTH].t().numpy()),
        inner,
        last,
        padded(third.t().numpy(), rows=last.shape[1]),
    )
    colors = cpu.render(
        origins.contiguous().numpy(),
        directions.contiguous().numpy(),
        marching.near,
        marching.far,
        marching.distances.numpy(),
        marching.resolution,
        marching.step,
        marching.norm or "",
        (marching.cascades, marching.cone, marching.longest),
        field.table.detach().float().numpy(),
        field.layout,
        weights,
        early_stop_eps,
        LEAST_WEIGHT,
        background.float().expand(len(origins), 3).contiguous().numpy(),
    )
    return torch.from_numpy(colors)


def render_rays_reference(
    origins: Tensor,
    directions: Tensor,
    field: HashNetworks,
    marching: Marching,
    early_stop_eps: float,
    background: Tensor,
) -> Tensor:
    """The definition: all samples of all rays, then networks and composite."""
    count, half = len(origins), torch.full((len(origins),), 0.5)
    samples = marched_reference(origins, directions, half, marching, _ALL)
    encoded = hash_encode(samples.positions, field.table, field.layout, "reference")
    output = network(encoded, field.density)
    optical_depth = output[:, 0].exp() * samples.deltas
    seen = visible_counts(optical_depth, samples.offsets, early_stop_eps, "reference")
    samples, kept = keep_prefix(samples, seen, backend="reference")
    harmonics = spherical_harmonics(directions, "reference")[samples.rays]
    logits = network(torch.cat([harmonics, output[kept, 1:]], 1), field.color)
    behind = background.expand(count, 3)
    return composite_reference(optical_depth[kept], logits.sigmoid(), samples.offsets, behind)[0]


def marched_reference(
    origins: Tensor, directions: Tensor, jitter: Tensor, marching: Marching, limit: int
) -> Samples:
    """Return at most `limit` samples of each ray in occupied cells, positions and lengths as the
    field takes them: of the outermost cascade's cube, where there are cascades."""
    near = torch.full((len(origins),), marching.near)
    where = (origins, directions, near, marching.bits, marching.resolution, marching.step)
    if marching.norm is not None:
        return march_contracted_reference(*where, jitter, limit, marching.far, marching.norm)
    if not marching.cascades:
        return march_reference(*where, jitter, limit, marching.far)
    grown = (marching.cascades, marching.cone, marching.longest)
    inner = march_reference(*where, jitter, limit, marching.far, None, *grown)
    extent = 1 << (marching.cascades - 1)
    positions = (inner.positions - 0.5) / extent + 0.5
    return replace(inner, positions=positions, deltas=inner.deltas / extent)


def network(x: Tensor, layers: tuple[Tensor, ...]) -> Tensor:
    """Return the outputs of layers [out, in] without biases, ReLU between them."""
    for layer in layers[:-1]:
        x = functional.linear(x, layer).relu()
    return functional.linear(x, layers[-1])
