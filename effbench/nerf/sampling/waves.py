"""Rendering by waves of samples on a device that the host should seldom wait for.

Rays march in waves of growing length; those that leave, or whose transmittance is spent, drop out.
A wave is placed in a buffer that holds whatever it may find. Then its one value is read: how many
samples it has, by which buffers are cut, and how many rays found all that they may, which alone go
on. Of these the ones that turned opaque take part in one more wave, without samples: to count them
the host would have to wait again.

Notation: R rays in all, A of them in a wave, N samples found by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.kernels.samples import Samples
from effbench.kernels.volume_rendering import composite, visible_counts
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.rays import Rays

RAYS = 1 << 20  # at once: an image of 800 × 800, and 24 bytes each
SLOTS = 1 << 22  # samples of a wave: est. 2 GB of activations of a hash field
FIRST = 8  # samples per ray in the first wave; doubled with every wave
NOWHERE = 1e9  # behind everything: where a ray that is to get no samples would begin


@dataclass(frozen=True)
class Marcher:
    """How rays are marched through. place: rays, near [A], jitter [A], the most samples of a ray
    and the capacity to the samples; ahead: rays and distances t [A] to how far behind those the
    next samples would be; near: where rays begin; early_stop_eps: the transmittance at which a ray
    ends; backend: of the kernels; slots: samples of a wave at most, unless it has more rays."""

    place: Callable[[Rays, Tensor, Tensor, int, int], Samples]
    ahead: Callable[[Rays, Tensor], Tensor]
    near: float
    early_stop_eps: float
    backend: str
    slots: int = SLOTS

    def limit(self, length: int, alive: int) -> int:
        """Return how many samples each of `alive` rays may have in a wave meant to have
        `length`."""
        return min(length, max(1, self.slots // alive))


@torch.no_grad()
def render_waves(rays: Rays, field: RadianceField, background: Tensor, marcher: Marcher) -> Tensor:
    """Return the colour of `rays` over `background` ([3] or [R, 3]) as float32 [R, 3]."""
    count, device = len(rays), rays.origins.device
    color, left = torch.zeros(count, 3, device=device), torch.ones(count, device=device)
    directions = field.encode_directions(rays.directions)
    alive, through = torch.arange(count, device=device), torch.ones(count, device=device)
    near = torch.full((count,), marcher.near, device=device)
    jitter = torch.full((count,), 0.5, device=device)
    length = FIRST
    while len(alive):
        limit = marcher.limit(length, len(alive))
        samples = marcher.place(rays, near, jitter, limit, len(alive) * limit)
        full = samples.offsets.diff() == limit
        found, going = _read(samples.offsets[-1], full.sum())
        if not found:
            break
        samples = samples.first(found)
        owners = directions.index_select(0, alive.index_select(0, samples.rays))
        added, opacity = _shade(samples, rays, owners, field, marcher)
        color.index_add_(0, alive, through[:, None] * added)
        through = through * (1 - opacity)
        left.index_copy_(0, alive, through)
        kept = _places(full, going)
        last = samples.t.index_select(0, samples.offsets[1:].index_select(0, kept) - 1)
        rays, alive, through = rays.select(kept), alive[kept], through[kept]
        near = last + marcher.ahead(rays, last)
        near = near.masked_fill(through < marcher.early_stop_eps, NOWHERE)
        jitter = torch.zeros_like(near)
        length *= 2
    behind: Tensor = left[:, None] * background
    return color + behind


def _read(*counts: Tensor) -> list[int]:
    """Return 0-d counts, for which the host waits once."""
    values: list[int] = torch.stack(counts).tolist()
    return values


def _places(mask: Tensor, count: int) -> Tensor:
    """Return where `mask` holds (int64 [count]): so often as is known, so nothing is read."""
    nth = torch.arange(1, count + 1, device=mask.device)
    return torch.searchsorted(mask.cumsum(0), nth)


def _shade(
    samples: Samples, rays: Rays, directions: Tensor, field: RadianceField, marcher: Marcher
) -> tuple[Tensor, Tensor]:
    """Return what a wave adds to the colours of its rays, [A, 3], and its opacity [A]. Samples
    behind the one in which the transmittance of the wave is spent are left out, as having no
    optical depth: to leave out their colours as well, they would have to be counted."""
    times = rays.times_of(samples.rays)
    density, geometry = field.density(field.encode_at(samples.positions, times))
    optical_depth = density * samples.deltas
    counts = visible_counts(optical_depth, samples.offsets, marcher.early_stop_eps, marcher.backend)
    end = (samples.offsets[:-1] + counts).index_select(0, samples.rays)
    behind = torch.arange(len(samples), device=end.device) >= end
    optical_depth = optical_depth.masked_fill(behind, 0)
    colors = field.color(geometry, directions)
    black = torch.zeros(len(rays), 3, device=end.device)
    return composite(optical_depth, colors, samples.offsets, black, marcher.backend)
