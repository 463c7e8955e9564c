"""How far a field's rays reach and what of them it holds back: depth and opacity of any sampler.

A sampler renders whatever colour a field has. Here the "colour" of a sample at distance t is
(t, 1, 0), so that over black a ray becomes Σ w·t and Σ w of the very samples its colour is made of.
"""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.sampling.sampler import Sampler
from effbench.nerf.sampling.spaces import Space


def ray_maps(
    sampler: Sampler, rays: Rays, field: RadianceField, space: Space
) -> tuple[Tensor, Tensor]:
    """Return the expected distance Σ w·t / Σ w of `rays` in world units (float32 [R], infinite for
    a ray that meets nothing) and their opacity Σ w (float32 [R] in [0, 1]); no gradient."""
    black = torch.zeros(3, device=rays.origins.device)
    with torch.no_grad():
        sums = sampler.render(rays, _Distances(field, rays, space), black)
    distance, opacity = sums[:, 0], sums[:, 1]
    depth = torch.where(opacity > 0, distance / opacity.clamp_min(1e-12), torch.inf)
    return depth * space.aabb.side, opacity.clamp(0, 1)


class _Distances(RadianceField):
    """A field with its density and, for colours, (t, 1, 0): t is the distance along the ray in
    units of the cube. Positions stand for their encodings, and `rays` for their directions'."""

    def __init__(self, field: RadianceField, rays: Rays, space: Space) -> None:
        super().__init__()
        self._field, self._rays, self._space = field, rays, space

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return positions

    def encode_at(
        self, positions: Tensor, times: Tensor | None, encoded: Tensor | None = None
    ) -> Tensor:
        return positions if times is None else torch.cat([positions, times[:, None]], 1)

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        positions, times = encoded[:, :3], encoded[:, 3] if encoded.shape[1] > 3 else None
        return self._field.density(self._field.encode_at(positions, times))[0], positions

    def encode_directions(self, directions: Tensor) -> Tensor:
        return torch.cat([self._rays.origins, directions], 1)

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        points = self._space.locate(geometry)
        origins, along = directions[:, :3], directions[:, 3:]
        t = ((points - origins) * along).sum(1)
        return torch.stack([t, torch.ones_like(t), torch.zeros_like(t)], 1)
