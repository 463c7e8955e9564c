"""Hierarchical sampling (Mildenhall et al. 2020, §5.2) with one network for both passes."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.inverse_cdf import sample_pdf
from effbench.kernels.samples import Samples
from effbench.method.spans import DENSITY, ENCODING, span
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.histograms import Chords, edges_between, rendering_weights, shade
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.sampling.sampler import EncodedSamples, Sampler
from effbench.nerf.sampling.spaces import Space

_SLOTS = 1 << 21  # samples rendered at once on a GPU: est. 4 GB of a wide network's activations


class HierarchicalSampler(Sampler):
    """`coarse` stratified samples between near and far, then `fine` more where they have weight.

    The union of both is trained on and rendered; the coarse pass carries no gradient.
    """

    def __init__(self, coarse: int, fine: int, space: Space, backend: str) -> None:
        self.coarse, self.fine, self.space, self.backend = coarse, fine, space, backend

    @property
    def most_rays_at_once(self) -> int:
        return max(1, _SLOTS // (self.coarse + self.fine))

    def place(self, rays: Rays, field: RadianceField, generator: torch.Generator) -> EncodedSamples:
        return EncodedSamples(self._place(rays, field, generator))

    @torch.no_grad()
    def render(self, rays: Rays, field: RadianceField, background: Tensor) -> Tensor:
        samples = self._place(rays, field, None)
        return shade(samples, rays, field, background, self.backend)

    def _place(
        self, rays: Rays, field: RadianceField, generator: torch.Generator | None
    ) -> Samples:
        """Return the samples of `rays`; jittered with a generator, else at bin centres."""
        chords = self.space.chords(rays)
        enter, leave = chords.enter, chords.leave
        spread = _strata(len(chords), self.coarse, generator, enter.device)
        t = enter + (leave - enter) * spread
        if self.fine:
            with torch.no_grad():
                with span(ENCODING):
                    encoded = field.encode_at(chords.positions(t), _times(chords, t))
                with span(DENSITY):
                    density = field.density(encoded)[0]
                weights = rendering_weights(density.view_as(t) * _deltas(t, chords))
            spread = _strata(len(chords), self.fine, generator, enter.device)
            drawn = sample_pdf(edges_between(t, enter, leave), weights, spread, self.backend)
            t = torch.cat([t, drawn], 1).sort(1)[0]
        return chords.pack(t, _deltas(t, chords))


def _strata(
    rays: int, count: int, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """Return [R, count] ascending fractions in [0, 1), one in each of `count` equal strata."""
    start = torch.arange(count, device=device)
    if generator is None:
        return ((start + 0.5) / count).expand(rays, count)
    return (start + torch.rand(rays, count, generator=generator, device=device)) / count


def _times(chords: Chords, t: Tensor) -> Tensor | None:
    """Return the times [H·K] of samples [H, K]."""
    times = chords.rays.times
    return None if times is None else times[:, None].expand_as(t).flatten()


def _deltas(t: Tensor, chords: Chords) -> Tensor:
    return chords.lengths(t, torch.cat([t, chords.leave], 1))
