"""The views that a light field is trained on: a teacher's, and the scene's own."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from effbench.method import Context
from effbench.nerf.lightfield import patches
from effbench.nerf.lightfield.patches import Patch, Patches
from effbench.nerf.lightfield.pseudo_views import PseudoViews
from effbench.nerf.lightfield.rays import RayEncoder
from effbench.scene import Views
from effbench.scene.cameras import most_common


class ViewPool:
    """Pseudo views, then real ones; drawn without replacement until all were seen.

    The images stay on the host, of which a GPU has a multiple: what is drawn is sent to the device.

    poses: float32 [V, 3, 4]; images: uint8 [V, H, W, 3]; pseudo: how many are pseudo views;
    render_s: seconds that those took; cameras: that of each view.
    """

    def __init__(self, views: PseudoViews, context: Context) -> None:
        scene, device = context.scene, context.device
        self.pseudo, self.render_s = len(views), views.render_s
        real = real_images(scene.train, scene.background)
        self.images = joined([views.images, real], device)
        self.poses = torch.cat([views.poses, torch.from_numpy(scene.train.poses)]).to(device)
        self.cameras = [most_common(scene.train)] * len(self.images)
        self._pixels = self.images.flatten(1, 2)
        self._generator = torch.Generator().manual_seed(context.seed)
        self._left: dict[bool, list[int]] = {True: [], False: []}

    def draw(self, count: int, real_share: float) -> list[int]:
        """Return the indices of up to `count` views of one size, each a real one with probability
        `real_share`."""
        return self.any(count, real_share)

    def any(self, count: int, real_share: float) -> list[int]:
        """Return the indices of `count` views, each a real one with probability `real_share`."""
        real = torch.rand(count, generator=self._generator) < real_share
        return [self._next(bool(each)) for each in real]

    def views(self, index: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the poses [V, 3, 4] and images uint8 [V, H, W, 3] of views."""
        at = torch.tensor(index)
        return self.poses[at.to(self.poses.device)], self._sent(self.images[at])

    def patch_rays(self, rays: int, scale: int) -> int:
        """Return how many rays per side a patch has that is meant to have `rays`: no more than the
        smallest view; 0 where that leaves none whose pixels know all their neighbours."""
        side = min(rays, self._least // scale)
        return side if side * scale > 2 * patches.margin(scale) else 0

    @functools.cached_property
    def _least(self) -> int:
        """The smallest side of a view, in pixels."""
        return min(min(camera.width, camera.height) for camera in self.cameras)

    def patches(
        self, count: int, rays: int, scale: int, real_share: float
    ) -> tuple[Tensor, Patches]:
        """Draw patches of `rays`² rays, one of each of `count` views; scale: pixels per ray along a
        side. Returns the poses [V, 3, 4] of their cameras, and what they see."""
        index = self.any(count, real_share)
        random = torch.rand(count, 2, generator=self._generator)
        lost = patches.margin(scale)
        drawn = [
            Patch.drawn(self.cameras[view], rays * scale, lost, own)
            for view, own in zip(index, random, strict=True)
        ]
        images = [patch.of(self.image(view)) for view, patch in zip(index, drawn, strict=True)]
        device = self.poses.device
        seen = Patches(
            directions=torch.stack([patch.directions(scale) for patch in drawn]).to(device),
            images=self._sent(torch.stack(images)),
            counted=torch.stack([patch.counted(lost) for patch in drawn]).to(device),
        )
        return self.poses[torch.tensor(index, device=device)], seen

    def image(self, view: int) -> Tensor:
        """Return the image of a view, uint8 [H, W, 3], on the host."""
        return self.images[view]

    def pixels(self, count: int, real_share: float) -> tuple[Tensor, Tensor, Tensor]:
        """Draw pixels of all views, each of a real one with probability `real_share`.

        Returns the poses [R, 3, 4] of their cameras, their places in an image, row by row (int64
        [R]), and their colours (uint8 [R, 3]).
        """
        random = torch.rand(3, count, generator=self._generator)
        real = random[0] < real_share
        number = torch.where(real, len(self.images) - self.pseudo, self.pseudo)
        view = (random[1] * number).long() + torch.where(real, self.pseudo, 0)
        pixel = (random[2] * self._pixels.shape[1]).long()
        device = self.poses.device
        colors = self._sent(self._pixels[view, pixel])
        return self.poses[view.to(device)], pixel.to(device), colors

    def directions(self, index: Sequence[int], encoder: RayEncoder) -> Tensor:
        """Return the directions of the rays of views, [V or 1, h, w, 3], in camera axes."""
        return encoder.directions[None]

    def directions_at(self, pixels: Tensor, encoder: RayEncoder) -> Tensor:
        """Return the directions [R, 3] of pixels, as `pixels` names them, in camera axes."""
        return encoder.directions.flatten(0, 1)[pixels]

    def _sent(self, drawn: Tensor) -> Tensor:
        return drawn.to(self.poses.device, non_blocking=True)

    def state(self) -> dict[str, Tensor]:
        """Return where the draws stand: the generator, and the views that are left of a round."""
        left = {True: "real", False: "pseudo"}
        named = {
            name: torch.tensor(self._left[real], dtype=torch.int64) for real, name in left.items()
        }
        return {"generator": self._generator.get_state(), **named}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the draws from what `state` returned."""
        self._generator.set_state(state["generator"])
        self._left = {True: state["real"].tolist(), False: state["pseudo"].tolist()}

    def _next(self, real: bool) -> int:
        if not self._left[real]:
            count = len(self.poses) - self.pseudo if real else self.pseudo
            order = torch.randperm(count, generator=self._generator)
            self._left[real] = (order + (self.pseudo if real else 0)).tolist()
        return self._left[real].pop()


def real_images(views: Views, background: tuple[float, float, float]) -> Tensor:
    """Return the images of a split over the background, uint8 [V, H, W, 3]."""
    images = [views.composite(view, background) for view in range(len(views))]
    return torch.from_numpy((np.stack(images) * 255 + 0.5).astype(np.uint8))


def joined(parts: Sequence[Tensor], device: torch.device) -> Tensor:
    """Return parts uint8 [V, ...] one after the other on the host, where `device` can fetch them
    without the host's help: straight away, since a copy of all is much of a host's memory."""
    size = (sum(map(len, parts)), *parts[0].shape[1:])
    whole = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    torch.cat(list(parts), out=whole)
    return whole
