"""A fixed number of samples per ray through contracted space (`effbench.kernels.contraction`).

Rays stay straight, and what is near is sampled closely, what is far as sparsely as it may be. A
sample stands for the length that its part of the ray has in the field's cube, as a ball of space
would be shrunk there: by the cube root of the Jacobian's determinant, whichever way the ray
crosses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from effbench.kernels.contraction import Norm, contract, shrinkage
from effbench.nerf.sampling.histograms import Chords
from effbench.nerf.sampling.rays import Aabb, Rays

Spacing = Literal["disparity", "piecewise"]

_UNIT = 0.5  # of rays' coordinates: from the middle of the inner cube to its side


@dataclass(frozen=True)
class ContractedChords(Chords):
    """Rays from near to far by s in [0, 1]. spacing: "disparity", along which 1/t falls evenly
    (Barron et al. 2022, §3); or "piecewise", evenly in t up to one unit, half of the samples, and
    then in 1/t (nerfstudio), which does not spend samples on what is right before a camera."""

    near: float = 0.0
    far: float = 0.0
    norm: Norm = "linf"
    spacing: Spacing = "disparity"

    @classmethod
    def through(
        cls, rays: Rays, aabb: Aabb, norm: Norm = "linf", spacing: Spacing = "disparity"
    ) -> ContractedChords:
        """All rays: there is no cube to miss."""
        begin = torch.zeros(len(rays), 1, device=rays.origins.device)
        index = torch.arange(len(rays), device=begin.device)
        chords = (rays, index, begin, torch.ones_like(begin), len(rays))
        return cls(*chords, aabb.near, aabb.far, norm, spacing)

    def distances(self, s: Tensor) -> Tensor:
        if self.spacing == "disparity":
            return 1 / ((1 - s) / self.near + s / self.far)
        first, last = (_warped(t / _UNIT) for t in (self.near, self.far))
        x = first + s * (last - first)
        return _UNIT * torch.where(x < 0.5, 2 * x, 0.5 / (1 - x.clamp_min(0.5)))

    def positions(self, s: Tensor) -> Tensor:
        return contract(self._points(s), self.norm).flatten(0, 1)

    def lengths(self, s: Tensor, edges: Tensor) -> Tensor:
        # ray units are half of the inner cube's: its side is 1 here and 2 in u, ½ in the field's
        return self.distances(edges).diff(dim=1) * shrinkage(self._points(s), self.norm) / 2

    def _points(self, s: Tensor) -> Tensor:
        """Return u [H, K, 3] at s [H, K]."""
        t = self.distances(s)[..., None]
        return 2 * torch.addcmul(self.rays.origins[:, None], t, self.rays.directions[:, None]) - 1


def _warped(t: float) -> float:
    """Return where t is between 0 and infinity in piecewise spacing, in [0, 1)."""
    return t / 2 if t < 1 else 1 - 1 / (2 * t)
