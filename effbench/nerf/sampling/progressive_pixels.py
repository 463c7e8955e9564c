"""Training on small images first: coarse to fine over the budget."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from effbench.nerf.sampling.rays import Aabb, Rays, TrainingPixels
from effbench.scene import Views
from effbench.scene.pyramid import downscaled

STAGES = ((0.25, 4), (0.5, 2))  # share of the budget up to which images are reduced, and how much


class ProgressivePixels(TrainingPixels):
    """Draws from images at a quarter of their resolution, then at half, then from the images.

    A pixel of a reduced image is the mean of a block, seen along the ray through its middle.
    """

    recordable: ClassVar[bool] = False

    def __init__(
        self,
        kind: type[TrainingPixels],
        views: Views,
        aabb: Aabb,
        device: torch.device,
        backend: str,
    ) -> None:
        """kind: what draws from the images of a stage. Raises ConfigError where images are too
        small to be reduced."""
        super().__init__(views, aabb, device, backend)
        self._full = kind(views, aabb, device, backend)
        self._coarse = [
            (until, kind(downscaled(views, factor), aabb, device, backend))
            for until, factor in STAGES
        ]
        self._now = self._coarse[0][1]

    def advance(self, progress: float) -> None:
        due = (pixels for until, pixels in self._coarse if progress < until)
        self._now = next(due, self._full)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Rays, Tensor]:
        return self._now.sample(count, generator)
