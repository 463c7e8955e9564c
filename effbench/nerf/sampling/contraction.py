"""All of space in a cube: beyond an inner cube it is contracted (Barron et al. 2022, eq. 10).

Notation: u are coordinates in which the inner cube is [−1, 1]³, m = max(1, ‖u‖∞). Contracted
y = u·(2 − 1/m)/m fills [−2, 2]³, of which the field's unit cube is (y + 2)/4. The norm is L∞, which
leaves no corner of the cube unused.

Rays stay straight, and their samples are even in disparity: near what a camera stands in front of
they are close, and reach as far as one likes. A sample stands for the length that its part of the
ray has in the field's cube, as a ball of space would be shrunk there: by the cube root of the
Jacobian's determinant, whichever way the ray crosses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.nerf.sampling.histograms import Chords
from effbench.nerf.sampling.rays import Aabb, Rays


def contract(u: Tensor) -> Tensor:
    """Return where points [..., 3] lie in the field's unit cube."""
    m = _reach(u)
    return (u * ((2 - 1 / m) / m) + 2) / 4


def shrinkage(u: Tensor) -> Tensor:
    """Return by how much lengths at points [..., 3] shrink, without the unit cube's quarter:
    ((2m − 1)² / m⁶)^⅓, 1 in the inner cube."""
    m = _reach(u)[..., 0]
    return (2 * m - 1) ** (2 / 3) / m**2


def _reach(u: Tensor) -> Tensor:
    return u.abs().amax(-1, keepdim=True).clamp_min(1)


@dataclass(frozen=True)
class Disparities(Chords):
    """Rays from near to far by s in [0, 1], along which disparity 1/t falls evenly."""

    near: float = 0.0
    far: float = 0.0

    @classmethod
    def of(cls, rays: Rays, aabb: Aabb) -> Disparities:
        """All rays: there is no cube to miss."""
        begin = torch.zeros(len(rays), 1, device=rays.origins.device)
        index = torch.arange(len(rays), device=begin.device)
        return cls(rays, index, begin, torch.ones_like(begin), len(rays), aabb.near, aabb.far)

    def distances(self, s: Tensor) -> Tensor:
        return 1 / ((1 - s) / self.near + s / self.far)

    def positions(self, s: Tensor) -> Tensor:
        return contract(self._points(s)).flatten(0, 1)

    def lengths(self, s: Tensor, edges: Tensor) -> Tensor:
        # cube units are half of the inner cube's: its side is 1 here and 2 in u, ½ in the field's
        return self.distances(edges).diff(dim=1) * shrinkage(self._points(s)) / 2

    def _points(self, s: Tensor) -> Tensor:
        """Return u [H, K, 3] at s [H, K]."""
        t = self.distances(s)[..., None]
        return 2 * torch.addcmul(self.rays.origins[:, None], t, self.rays.directions[:, None]) - 1
