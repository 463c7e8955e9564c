"""Random patches of views: many cameras in a step that costs no more than one whole view.

A patch of n×n rays is what a camera of n·s × n·s pixels sees that looks through that part of the
image. Stages of super-resolution see a ray's neighbours, of which a patch has none beyond its
sides: pixels that would have needed them do not count, unless the image ends there, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from effbench.nerf.lightfield.rays import camera_directions
from effbench.scene import Intrinsics


@dataclass(frozen=True)
class Patches:
    """Directions [V, h, w, 3] in camera axes (or [1, h, w, 3], of all), images uint8 [V, H, W, 3],
    and which pixels count, float32 [V, H, W] of 0 and 1 (None: all)."""

    directions: Tensor
    images: Tensor
    counted: Tensor | None = None


@dataclass(frozen=True)
class Patch:
    """A square of `side` pixels of a camera's image, from column x and row y on."""

    camera: Intrinsics
    x: int
    y: int
    side: int

    @classmethod
    def drawn(cls, camera: Intrinsics, side: int, margin: int, random: Tensor) -> Patch:
        """Return a random one; random: two numbers in [0, 1). Places beyond the image are drawn,
        too, and moved inside, so that its sides are trained on as often as its middle."""
        x = _corner(camera.width - side, margin, float(random[0]))
        y = _corner(camera.height - side, margin, float(random[1]))
        return cls(camera, x, y, side)

    def of(self, image: Tensor) -> Tensor:
        """Return this part of the camera's image [H, W, C]."""
        return image[self.y : self.y + self.side, self.x : self.x + self.side]

    def directions(self, scale: int) -> Tensor:
        """Return the directions [h, w, 3] through its blocks of `scale`² pixels."""
        c = self.camera
        cut = replace(c, width=self.side, height=self.side, cx=c.cx - self.x, cy=c.cy - self.y)
        return camera_directions(cut, scale)

    def counted(self, margin: int) -> Tensor:
        """Return which pixels do not depend on what is beyond its sides: float32 [side, side]."""
        rows = _kept(self.y, self.side, self.camera.height, margin)
        columns = _kept(self.x, self.side, self.camera.width, margin)
        return (rows[:, None] & columns).float()


def margin(scale: int) -> int:
    """Return how many pixels along a side depend on rays beyond it: a stage's 4×4 kernel spoils one
    more on each side than twice what was spoilt before it."""
    return scale - 1


def _corner(room: int, margin: int, random: float) -> int:
    place = int(random * (room + 2 * margin + 1)) - margin
    return min(max(place, 0), room)


def _kept(start: int, side: int, whole: int, margin: int) -> Tensor:
    at = torch.arange(side)
    after = at >= (margin if start else 0)
    before = at < (side - margin if start + side < whole else side)
    return after & before
