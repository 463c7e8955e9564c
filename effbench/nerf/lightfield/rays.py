"""Cameras to the encoded rays that a neural light field reads.

A ray of the coarse grid goes through the middle of its block of s×s pixels; a grid that does not
divide the image reaches over its right and lower edge, and the image is cropped. Notation: V
views, h×w rays, P points per ray, C = 3·P·(1 + 2·frequencies) channels.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from effbench.kernels.occupied_spans import occupied_spans
from effbench.nerf.fields.encodings import frequency_encode
from effbench.nerf.lightfield.network import NeLFNetwork, NeLFShape
from effbench.scene import Intrinsics, Scene

Bounds = Literal["scene", "box", "occupied"]
_PARALLEL = 1e-6  # a component of a unit direction below which a ray counts as parallel to a side


class RayEncoder(nn.Module):
    """Poses [V, 3, 4] (camera to world) to encoded rays [V, C, h, w], channels last in memory.

    A ray's P points lie between two depths, in coordinates in which the scene's box reaches from −1
    to 1 along its longest axis. bounds "scene": P equal strata between the scene's near and far, as
    in the paper; "box": between entering the scene's box and leaving it; "occupied": between its
    first and its last occupied cell, denser towards the first, where what is seen most likely is.
    A ray that meets no box or cell is encoded as zeros.

    occupied: bool [G³], cell (x, y, z) of the cube around the box at (z·G + y)·G + x, as
    `OccupancyGrid.occupied` returns them; backend: that finds them ("reference" can be exported).
    """

    directions: Tensor
    parts: Tensor
    centre: Tensor
    extent: Tensor
    occupied: Tensor

    def __init__(
        self,
        shape: NeLFShape,
        scene: Scene,
        intrinsics: Intrinsics,
        bounds: Bounds = "scene",
        occupied: Tensor | None = None,
        backend: str = "reference",
    ) -> None:
        super().__init__()
        self.backend = backend
        self.frequencies, self.points, self.scale = shape.frequencies, shape.points, shape.scale
        self.bounds = bounds
        self.near, self.far = scene.near, scene.far
        self.size = (intrinsics.height, intrinsics.width)
        low, high = torch.tensor(scene.box, dtype=torch.float32).unbind(0)
        self.reach = float((high - low).max()) / 2
        self.register_buffer("directions", camera_directions(intrinsics, shape.scale))
        self.register_buffer("parts", strata(shape.points, dense_first=bounds == "occupied"))
        self.register_buffer("centre", (low + high) / 2)
        self.register_buffer("extent", (high - low) / 2)
        cells = occupied if occupied is not None else torch.empty(0, dtype=torch.bool)
        self.register_buffer("occupied", cells.to(torch.uint8))

    def forward(
        self, poses: Tensor, jitter: Tensor | None = None, directions: Tensor | None = None
    ) -> Tensor:
        """Encode; `jitter` [V, h, w, P] in [−0.5, 0.5] moves points inside their strata;
        `directions`: of other cameras than the encoder's, as `camera_directions` returns them,
        [V, h, w, 3]."""
        local = self.directions[None] if directions is None else directions
        # [1 or V, h, w, 1, 3] times [V, 1, 1, 3, 3]: the camera's axes, summed
        rays = (local[:, :, :, None, :] * poses[:, None, None, :, :3]).sum(-1)
        return self.encode(poses[:, None, None, :, 3], rays, jitter).permute(0, 3, 1, 2)

    def encode(self, origins: Tensor, rays: Tensor, jitter: Tensor | None = None) -> Tensor:
        """Encode rays from world-space `origins` along unit `rays`, both [..., 3], origins
        broadcast to rays, as [..., C]; `jitter` [..., P]."""
        origins = origins - self.centre
        near, far = self.depths(origins, rays)
        parts = self.parts
        if jitter is not None:
            parts = (parts + jitter / self.points).clamp(0, 1)
        along = near + (far - near) * parts
        points = (origins[..., None, :] + along[..., None] * rays[..., None, :]) / self.reach
        return frequency_encode(points.flatten(-2), self.frequencies) * (far > near)

    def depths(self, origins: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Return the depths [..., 1] between which the points of rays lie; equal where none do.
        origins: relative to the box's centre."""
        if self.bounds == "scene":
            depth = torch.full_like(rays[..., :1], self.near)
            return depth, torch.full_like(depth, self.far)
        near, far = self._box(origins, rays)
        if self.bounds == "box":
            return near, far
        scaled = origins / self.reach, rays / self.reach
        return occupied_spans(*scaled, near, far, self.occupied, self.backend)

    def _box(self, origins: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Return where rays enter and leave the box, each [..., 1] (the slab method)."""
        steep = torch.where(rays.abs() < _PARALLEL, torch.full_like(rays, _PARALLEL), rays)
        one, other = (-self.extent - origins) / steep, (self.extent - origins) / steep
        enter = torch.minimum(one, other).amax(-1, keepdim=True).clamp(self.near, self.far)
        leave = torch.maximum(one, other).amin(-1, keepdim=True).clamp(self.near, self.far)
        return enter, torch.maximum(enter, leave)


def strata(points: int, *, dense_first: bool = False) -> Tensor:
    """Return where a ray's points lie, in parts of its way: the middles of equal strata, or
    (i / (P − 1))² for the P points from the first to the last."""
    if dense_first and points > 1:
        return (torch.arange(points) / (points - 1)) ** 2
    return (torch.arange(points) + 0.5) / points


def camera_directions(intrinsics: Intrinsics, scale: int) -> Tensor:
    """Return the unit directions [h, w, 3] in camera axes through blocks of `scale`² pixels."""
    height, width = (math.ceil(side / scale) for side in (intrinsics.height, intrinsics.width))
    x = (torch.arange(width) + 0.5) * scale
    y = (torch.arange(height) + 0.5) * scale
    across = ((x - intrinsics.cx) / intrinsics.fx).expand(height, width)
    down = ((y - intrinsics.cy) / intrinsics.fy)[:, None].expand(height, width)
    directions = torch.stack([across, -down, torch.full((height, width), -1.0)], -1)
    unit: Tensor = directions / directions.norm(dim=-1, keepdim=True)
    return unit


class LightField(nn.Module):
    """A whole light field: poses [V, 3, 4] in, images [V, H, W, 3] in [0, 1] out.

    The camera's intrinsics, near, far and the scene's box are constants of the module.
    """

    def __init__(self, encoder: RayEncoder, network: NeLFNetwork) -> None:
        super().__init__()
        self.encoder = encoder
        self.network = network

    def forward(self, poses: Tensor) -> Tensor:
        height, width = self.encoder.size
        images: Tensor = self.network(self.encoder(poses))
        return images[:, :, :height, :width].permute(0, 2, 3, 1)
