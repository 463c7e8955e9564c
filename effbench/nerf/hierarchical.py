"""Hierarchical sampling (Mildenhall et al. 2020, §5.2) with one network for both passes."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.marching import Samples, cube_interval
from effbench.kernels.volume_rendering import composite
from effbench.nerf.fields import RadianceField
from effbench.nerf.rays import Rays, UnitCube
from effbench.nerf.sampling import Placed, Sampler


class HierarchicalSampler(Sampler):
    """`coarse` stratified samples between near and far, then `fine` more where they have weight.

    The union of both is trained on and rendered; the coarse pass carries no gradient.
    """

    def __init__(self, coarse: int, fine: int, cube: UnitCube, backend: str) -> None:
        self.coarse, self.fine, self.cube, self.backend = coarse, fine, cube, backend

    def place(self, rays: Rays, field: RadianceField, generator: torch.Generator) -> Placed:
        return Placed(self._place(rays, field, generator))

    @torch.no_grad()
    def render(self, rays: Rays, field: RadianceField, background: Tensor) -> Tensor:
        samples = self._place(rays, field, None)
        behind = background.expand(len(rays), 3).contiguous()
        if not len(samples):
            return behind
        density, geometry = field.density(field.encode(samples.positions))
        directions = field.encode_directions(rays.directions).index_select(0, samples.rays)
        colors = field.color(geometry, directions)
        thickness = density * samples.deltas
        return composite(thickness, colors, samples.offsets, behind, self.backend)[0]

    def _place(
        self, rays: Rays, field: RadianceField, generator: torch.Generator | None
    ) -> Samples:
        """Return the samples of `rays`; jittered with a generator, else at bin centres."""
        enter, leave = cube_interval(rays.origins, rays.directions)
        enter, leave = enter.clamp_min(self.cube.near), leave.clamp_max(self.cube.far)
        hit = (leave > enter).nonzero()[:, 0]
        enter, leave, hits = enter[hit, None], leave[hit, None], rays.select(hit)
        spread = _strata(len(hit), self.coarse, generator, enter.device)
        t = enter + (leave - enter) * spread
        if self.fine:
            with torch.no_grad():
                weights = self._weights(hits, t, leave, field)
            spread = _strata(len(hit), self.fine, generator, enter.device)
            t = torch.cat([t, sample_pdf(_edges(t, enter, leave), weights, spread)], 1).sort(1)[0]
        counts = torch.zeros(len(rays), dtype=torch.int64, device=t.device)
        counts[hit] = t.shape[1]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return _pack(hits, hit, t, leave, offsets)

    def _weights(self, rays: Rays, t: Tensor, leave: Tensor, field: RadianceField) -> Tensor:
        """Return the rendering weights [R, coarse] of samples at `t`."""
        positions = _positions(rays, t).flatten(0, 1)
        density = field.density(field.encode(positions))[0].view_as(t)
        thickness = density * _deltas(t, leave)
        before = thickness.cumsum(1) - thickness
        return torch.exp(-before) * -torch.expm1(-thickness)


def sample_pdf(edges: Tensor, weights: Tensor, uniform: Tensor) -> Tensor:
    """Draw from the piecewise constant density `weights` [R, K] over bins `edges` [R, K + 1].

    uniform: [R, M] in [0, 1), mapped through the inverse distribution. Bins keep a floor of 1e-5
    of weight, so that no ray is without a distribution.
    """
    weights = weights + 1e-5
    cdf = torch.cumsum(weights / weights.sum(1, keepdim=True), 1)
    cdf = torch.cat([torch.zeros_like(cdf[:, :1]), cdf], 1)
    above = torch.searchsorted(cdf, uniform.contiguous(), right=True).clamp(1, weights.shape[1])
    low, high = cdf.gather(1, above - 1), cdf.gather(1, above)
    left, right = edges.gather(1, above - 1), edges.gather(1, above)
    return left + (right - left) * ((uniform - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)


def _strata(
    rays: int, count: int, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """Return [R, count] ascending fractions in [0, 1), one in each of `count` equal strata."""
    start = torch.arange(count, device=device)
    if generator is None:
        return ((start + 0.5) / count).expand(rays, count)
    return (start + torch.rand(rays, count, generator=generator, device=device)) / count


def _edges(t: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    return torch.cat([enter, (t[:, 1:] + t[:, :-1]) / 2, leave], 1)


def _deltas(t: Tensor, leave: Tensor) -> Tensor:
    return torch.cat([t, leave], 1).diff(dim=1)


def _positions(rays: Rays, t: Tensor) -> Tensor:
    return (rays.origins[:, None] + t[..., None] * rays.directions[:, None]).clamp(0, 1)


def _pack(rays: Rays, index: Tensor, t: Tensor, leave: Tensor, offsets: Tensor) -> Samples:
    positions = _positions(rays, t).flatten(0, 1)
    ray = index.repeat_interleave(t.shape[1])
    return Samples(positions, t.flatten(), ray, offsets, _deltas(t, leave).flatten())
