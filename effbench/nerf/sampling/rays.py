"""Rays in the unit cube: of random training pixels, and of a whole camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.kernels.pixels import Pictures, look_up
from effbench.kernels.rays import generate_rays
from effbench.nerf.sampling.pixels import PixelGrid
from effbench.scene import Intrinsics, Scene, Views


@dataclass(frozen=True)
class Rays:
    """R rays in the unit cube. origins, directions: float32 [R, 3], directions of unit length;
    times: float32 [R] in [0, 1], of a scene that moves."""

    origins: Tensor
    directions: Tensor
    times: Tensor | None = None

    def __len__(self) -> int:
        return len(self.origins)

    def select(self, index: Tensor | slice) -> Rays:
        times = None if self.times is None else self.times[index]
        return Rays(self.origins[index], self.directions[index], times)

    def times_of(self, rays: Tensor) -> Tensor | None:
        """Return the times of samples [N] by the rays (int64 [N]) that they lie on."""
        return None if self.times is None else self.times.index_select(0, rays)


@dataclass(frozen=True)
class Aabb:
    """The map from world to unit cube: (x − corner) / side; near and far in cube units."""

    corner: Tensor
    side: float
    near: float
    far: float

    @classmethod
    def of(cls, box: NDArray[np.float32], scene: Scene, device: torch.device) -> Aabb:
        """Enclose a box of a scene, float32 [2, 3], in a cube with the same centre."""
        low, high = torch.tensor(box, dtype=torch.float32).unbind(0)
        side = float((high - low).max())
        corner = ((low + high) / 2 - side / 2).to(device)
        return cls(corner, side, scene.near / side, scene.far / side)

    def world(self, points: Tensor) -> Tensor:
        """Map points [..., 3] of the cube into the world."""
        return points * self.side + self.corner

    def local(self, points: Tensor) -> Tensor:
        """Map points [..., 3] of the world into the cube's coordinates."""
        return (points - self.corner) / self.side

    def rays(self, origins: Tensor, directions: Tensor, times: Tensor | None = None) -> Rays:
        """Map world-space rays (unit directions) into the cube."""
        return Rays(self.local(origins), directions, times)


class TrainingPixels:
    """Random pixels of all training views with their rays, on `device`.

    recordable: whether a draw is the device's alone and always from the same memory, so that a
    recorded step may contain it.
    """

    recordable: ClassVar[bool] = True

    def __init__(self, views: Views, aabb: Aabb, device: torch.device, backend: str) -> None:
        self._grid = PixelGrid.of(views.sizes, device)
        self._colors = torch.from_numpy(views.images).to(device).flatten(0, -2)  # uint8 [P, C]
        poses, self._intrinsics = of_one_camera(views)
        self._poses = torch.from_numpy(poses).to(device)
        times = views.times
        self._times = None if times is None else torch.from_numpy(times).to(device)
        self._aabb = aabb
        self._backend = backend

    @property
    def has_alpha(self) -> bool:
        return self._colors.shape[-1] == 4

    def sample(self, count: int, generator: torch.Generator) -> tuple[Rays, Tensor]:
        """Draw `count` pixels uniformly, with replacement.

        Returns their rays and colours (float32 [R, 3] or [R, 4] with straight alpha, in [0, 1]).
        """
        device = self._colors.device
        pixel = torch.randint(self._grid.pixels, (count,), generator=generator, device=device)
        if pictures := self._at_once():
            return self._looked_up(pictures, pixel)
        return self._at(*self._grid.locate(pixel))

    def of_step(self, count: int, generator: torch.Generator, step: int) -> tuple[Rays, Tensor]:
        """Draw the pixels of a training step, about `count`. Default: as `sample` does."""
        return self.sample(count, generator)

    def _at(self, view: Tensor, y: Tensor, x: Tensor) -> tuple[Rays, Tensor]:
        """Return the rays and colours of pixels, all int64 [R]."""
        if pictures := self._at_once():
            return self._looked_up(pictures, self._grid.index(view, y, x))
        world = generate_rays(self._poses, self._intrinsics, view, x, y, self._backend)
        pixel = self._grid.index(view, y, x)
        colors = self._colors.index_select(0, pixel).float() / 255
        times = None if self._times is None else self._times.index_select(0, view)
        return self._aabb.rays(*world, times), colors

    def _at_once(self) -> Pictures | None:
        """Return what the kernel that does all of it takes, of pictures of one size in a scene
        that stands still."""
        one_size = self._grid.sizes
        none = resolve(self._backend, self._colors.device) == "reference"
        if not one_size or self._times is not None or none:
            return None
        corner, side = self._aabb.corner, self._aabb.side
        return Pictures(self._colors, self._poses, self._intrinsics, *one_size, corner, side)

    def _looked_up(self, pictures: Pictures, pixel: Tensor) -> tuple[Rays, Tensor]:
        origins, directions, colors = look_up(pictures, pixel, self._backend)
        return Rays(origins, directions), colors

    def advance(self, progress: float) -> None:
        """Adapt to how much of the budget is spent, in [0, 1); on the host, before every step.
        Default: nothing to adapt."""

    def refresh(self) -> None:
        """Adapt to what was learnt; on the host, before every step. Default: nothing to adapt."""

    def observe(self, color: Tensor, target: Tensor, complete: Tensor | None = None) -> None:
        """Learn how the pixels drawn last were rendered: colours and targets, both [R, 3], of the
        rays that are `complete` (bool [R]; None: all); on the device, and nothing else. Default:
        nothing is learnt."""

    def observed(self) -> None:
        """Count an observation; on the host, after every step. Default: nothing to count."""


class OneViewPixels(TrainingPixels):
    """Random pixels of one training view, another one in every step (torch-ngp's batches)."""

    def sample(self, count: int, generator: torch.Generator) -> tuple[Rays, Tensor]:
        """Draw a view uniformly, then `count` of its pixels uniformly, with replacement; nothing is
        read from the device."""
        grid, device = self._grid, self._colors.device
        view = torch.randint(grid.views, (1,), generator=generator, device=device)
        start, size = grid.starts[view], (grid.ends - grid.starts)[view]
        at = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        return self._at(*grid.locate(start + (at * size).long()))


def of_one_camera(views: Views) -> tuple[NDArray[np.float32], Intrinsics]:
    """Return matrices [V, 3, 4] and one camera by which `generate_rays` gives the views' rays.

    The ray through (x, y) is R·((x − cx)/fx, −(y − cy)/fy, −1), linear in its place on any other
    image plane: a view's own focal lengths and centre become part of its matrix, and every backend
    has cameras that differ from view to view.
    """
    if isinstance(views.camera, Intrinsics):
        return views.poses, views.camera
    first, own = views.cameras[0], views.cameras
    right, up, back, eye = views.poses.astype(np.float64).transpose(2, 0, 1)
    fx, fy, cx, cy = np.array([(c.fx, c.fy, c.cx, c.cy) for c in own]).T[:, :, None]
    back = back + right * ((cx - first.cx) / fx) - up * ((cy - first.cy) / fy)
    columns = [right * (first.fx / fx), up * (first.fy / fy), back, eye]
    return np.stack(columns, 2).astype(np.float32), first


def camera_rays(
    pose: Tensor, intrinsics: Intrinsics, aabb: Aabb, backend: str, time: float | None = None
) -> Rays:
    """Return the rays of all pixels of a camera, row by row. pose: [3, 4] camera to world; time: in
    [0, 1], of a scene that moves."""
    pixel = torch.arange(intrinsics.height * intrinsics.width, device=pose.device)
    x, y = pixel % intrinsics.width, pixel // intrinsics.width
    world = generate_rays(pose[None], intrinsics, torch.zeros_like(x), x, y, backend)
    times = None if time is None else torch.full((len(pixel),), time, device=pose.device)
    return aabb.rays(*world, times)
