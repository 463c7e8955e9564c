"""The samples of rays that are worth training on, in one operation: march, encode, density, choose.

The definition is what its parts are elsewhere: every sample of a ray in an occupied cell
(`marching`, `contracted_marching`), as far as it sees transmittance ≥ `early_stop_eps`
(`volume_rendering.visible_counts`), without those whose alpha is below a threshold
(`compaction`). What lies behind a surface is never encoded.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.ray_rendering import HashNetworks, Marching, marched_reference, network
from effbench.kernels.samples import Samples
from effbench.kernels.volume_rendering import visible_counts


def march_visible(
    origins: Tensor,
    directions: Tensor,
    jitter: Tensor,
    field: HashNetworks,
    marching: Marching,
    limit: int,
    early_stop_eps: float,
    least_alpha: float = 0.0,
) -> tuple[Samples, Tensor]:
    """Return the samples and their encoding [N, 2·L], on the CPU, computed in float32.

    origins, directions: float32 [R, 3]; jitter: float32 [R] in [0, 1], in steps; limit: the most
    samples of a ray that are looked at; least_alpha: of a sample that is kept, 0 for all.
    """
    from effbench.kernels.cpu import visible_marching as cpu
    from effbench.kernels.cpu.layers import padded

    assert marching.distances is not None
    first, second = (layer.detach().float().t().contiguous().numpy() for layer in field.density)
    hidden = padded(first)
    found = cpu.march(
        origins.contiguous().numpy(),
        directions.contiguous().numpy(),
        jitter.numpy(),
        marching.near,
        marching.far,
        marching.distances.numpy(),
        marching.resolution,
        marching.step,
        marching.norm or "",
        (marching.cascades, marching.cone, marching.longest),
        limit,
        field.table.detach().float().numpy(),
        field.layout,
        (hidden, padded(second, rows=hidden.shape[1])),
        early_stop_eps,
        least_alpha,
    )
    positions, t, rays, offsets, deltas, encoded = map(torch.from_numpy, found)
    return Samples(positions, t, rays, offsets, deltas), encoded


def march_visible_reference(
    origins: Tensor,
    directions: Tensor,
    jitter: Tensor,
    field: HashNetworks,
    marching: Marching,
    limit: int,
    early_stop_eps: float,
    least_alpha: float = 0.0,
) -> tuple[Samples, Tensor]:
    """The definition: all samples first, then those that are kept."""
    samples = marched_reference(origins, directions, jitter, marching, limit)
    encoded = hash_encode(samples.positions, field.table, field.layout, "reference")
    optical_depth = network(encoded, field.density)[:, 0].exp() * samples.deltas
    counts = visible_counts(optical_depth, samples.offsets, early_stop_eps, "reference")
    samples, seen = keep_prefix(samples, counts, backend="reference")
    opaque = -torch.expm1(-optical_depth[seen]) >= (least_alpha or -math.inf)
    samples, kept = keep_selected(samples, opaque, backend="reference")
    return samples, encoded[seen][kept]
