"""A fixed number of samples per ray, drawn from histograms along it (Mildenhall et al. 2020, §5.2).

Notation: R rays, H of which meet the cube; K bins or samples on each of those.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.kernels.marching import cube_interval
from effbench.kernels.samples import Samples
from effbench.kernels.volume_rendering import composite
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.rays import Aabb, Rays


@dataclass(frozen=True)
class Chords:
    """What lies of R rays inside the cube and between near and far.

    rays: the H rays that meet it; index: int64 [H], which ones they are; enter, leave: [H, 1], in
    the coordinate along a ray in which samples and edges are given: here the distance.
    """

    rays: Rays
    index: Tensor
    enter: Tensor
    leave: Tensor
    total: int

    @classmethod
    def of(cls, rays: Rays, aabb: Aabb) -> Chords:
        enter, leave = cube_interval(rays.origins, rays.directions)
        enter, leave = enter.clamp_min(aabb.near), leave.clamp_max(aabb.far)
        index = (leave > enter).nonzero()[:, 0]
        return cls(rays.select(index), index, enter[index, None], leave[index, None], len(rays))

    def __len__(self) -> int:
        return len(self.index)

    def distances(self, t: Tensor) -> Tensor:
        """Return the distances of samples [H, K]."""
        return t

    def lengths(self, t: Tensor, edges: Tensor) -> Tensor:
        """Return what the bins [H, K + 1] around samples [H, K] are long in the field's cube."""
        return edges.diff(dim=1)

    def positions(self, t: Tensor) -> Tensor:
        """Return the points [H·K, 3] at distances `t` [H, K]."""
        origins, directions = self.rays.origins[:, None], self.rays.directions[:, None]
        return torch.addcmul(origins, t[..., None], directions).clamp_(0, 1).flatten(0, 1)

    def pack(self, t: Tensor, deltas: Tensor) -> Samples:
        """Return samples at `t` that stand for the lengths `deltas`, both [H, K]."""
        counts = torch.zeros(self.total, dtype=torch.int64, device=t.device)
        counts[self.index] = t.shape[1]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        ray = self.index.repeat_interleave(t.shape[1])
        distances = self.distances(t).flatten()
        return Samples(self.positions(t), distances, ray, offsets, deltas.flatten())


@dataclass(frozen=True)
class Histogram:
    """Where weight is expected along H rays: ascending edges [H, K + 1] and weights [H, K] ≥ 0."""

    edges: Tensor
    weights: Tensor


def edges_between(t: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Return the edges of bins around ascending `t` [H, K]: midpoints, and `first` and `last`."""
    return torch.cat([first, (t[:, 1:] + t[:, :-1]) / 2, last], 1)


def rendering_weights(optical_depth: Tensor) -> Tensor:
    """Return T_i·(1 − exp(−τ_i)) of all samples of each ray, τ: [H, K]; differentiable."""
    before = torch.cat([torch.zeros_like(optical_depth[:, :1]), optical_depth[:, :-1].cumsum(1)], 1)
    return torch.exp(-before) * -torch.expm1(-optical_depth)


def shade(
    samples: Samples, rays: Rays, field: RadianceField, background: Tensor, backend: str
) -> Tensor:
    """Return the colour [R, 3] of `rays` over `background` ([3] or [R, 3]), from all `samples`."""
    behind = background.expand(len(rays), 3).contiguous()
    if not len(samples):
        return behind
    times = rays.times_of(samples.rays)
    density, geometry = field.density(field.encode_at(samples.positions, times))
    directions = field.encode_directions(rays.directions).index_select(0, samples.rays)
    colors = field.color(geometry, directions)
    return composite(density * samples.deltas, colors, samples.offsets, behind, backend)[0]
