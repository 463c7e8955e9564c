"""The views that a light field is trained on, where the scene's cameras differ.

Notation: V views, P pixels in all, R pixels drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from effbench.cell.quality import quantise
from effbench.method import Context
from effbench.nerf.lightfield.pseudo_views import PseudoViews
from effbench.nerf.lightfield.rays import RayEncoder, camera_directions
from effbench.nerf.lightfield.view_pool import ViewPool, joined
from effbench.nerf.sampling.pixels import PixelGrid
from effbench.scene import Intrinsics


class MixedViewPool(ViewPool):
    """Pseudo views of one camera, then real ones of cameras and sizes of their own.

    A pixel is named by its place among those of all views. Views that are drawn together have one
    size: those of another than the first's wait for the next time.
    """

    def __init__(self, views: PseudoViews, pseudo_camera: Intrinsics, context: Context) -> None:
        train, device = context.scene.train, context.device
        self.pseudo, self.render_s = len(views), views.render_s
        self.cameras = [pseudo_camera] * len(views) + list(train.cameras)
        real = [quantise(train.composite(v, context.scene.background)) for v in range(len(train))]
        flat = [views.images.flatten(0, 2), *(torch.from_numpy(x).flatten(0, 1) for x in real)]
        self._pixels = joined(flat, device)  # uint8 [P, 3]
        self.poses = torch.cat([views.poses, torch.from_numpy(train.poses)]).to(device)
        sizes = [(camera.width, camera.height) for camera in self.cameras]
        self._grid = PixelGrid.of(sizes, torch.device("cpu"))
        lenses = np.array([(c.fx, c.fy, c.cx, c.cy) for c in self.cameras], np.float32)
        self._lenses = torch.from_numpy(lenses)
        self._generator = torch.Generator().manual_seed(context.seed)
        self._left: dict[bool, list[int]] = {True: [], False: []}

    def draw(self, count: int, real_share: float) -> list[int]:
        """Return the indices of up to `count` views of one size, each a real one with probability
        `real_share`."""
        drawn = self.any(count, real_share)
        size = self._size(drawn[0])
        for view in drawn:
            if self._size(view) != size:
                self._left[view >= self.pseudo].insert(0, view)
        return [view for view in drawn if self._size(view) == size]

    def views(self, index: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the poses [V, 3, 4] and images uint8 [V, H, W, 3] of views of one size."""
        at = torch.tensor(index, device=self.poses.device)
        return self.poses[at], self._sent(torch.stack([self.image(view) for view in index]))

    def image(self, view: int) -> Tensor:
        """Return the image of a view, uint8 [H, W, 3], on the host."""
        start, end = self._grid.starts[view], self._grid.ends[view]
        return self._pixels[start:end].view(*self._size(view), 3)

    def pixels(self, count: int, real_share: float) -> tuple[Tensor, Tensor, Tensor]:
        """Draw pixels of all views, each of a real one with probability `real_share`.

        Returns the poses [R, 3, 4] of their cameras, their places among all pixels (int64 [R]),
        and their colours (uint8 [R, 3]).
        """
        random = torch.rand(2, count, generator=self._generator, dtype=torch.float64)
        first = int(self._grid.starts[self.pseudo])  # pixel of a real view
        real = random[0] < real_share
        number = torch.where(real, self._grid.pixels - first, first)
        pixel = (random[1] * number).long() + torch.where(real, first, 0)
        view, _, _ = self._grid.locate(pixel)
        return self.poses[view.to(self.poses.device)], pixel, self._sent(self._pixels[pixel])

    def directions(self, index: Sequence[int], encoder: RayEncoder) -> Tensor:
        """Return the directions of the rays of views of one size, [V, h, w, 3]."""
        scale = encoder.scale
        each = [camera_directions(self.cameras[view], scale) for view in index]
        return torch.stack(each).to(self.poses.device)

    def directions_at(self, pixels: Tensor, encoder: RayEncoder) -> Tensor:
        """Return the directions [R, 3] of pixels."""
        view, y, x = self._grid.locate(pixels)
        fx, fy, cx, cy = self._lenses[view].unbind(1)
        across, down = (x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy
        directions = torch.stack([across, -down, torch.full_like(across, -1.0)], -1)
        return self._sent(directions / directions.norm(dim=-1, keepdim=True))

    def _size(self, view: int) -> tuple[int, int]:
        return self.cameras[view].height, self.cameras[view].width
