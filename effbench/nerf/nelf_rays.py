"""Cameras to the encoded rays that a neural light field reads.

A ray of the coarse grid goes through the middle of its block of s×s pixels; a grid that does not
divide the image reaches over its right and lower edge, and the image is cropped. Notation: V
views, h×w rays, P points per ray, C = 3·P·(1 + 2·frequencies) channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from effbench.nerf.encodings import frequency_encode
from effbench.nerf.nelf_network import NeLFNetwork, NeLFShape
from effbench.scene import Intrinsics, Scene

_PARALLEL = 1e-6  # a component of a unit direction below which a ray counts as parallel to a side


class RayEncoder(nn.Module):
    """Poses [V, 3, 4] (camera to world) to encoded rays [V, C, h, w], channels last in memory.

    A ray's points are the middles of P equal strata, in coordinates in which the scene's box
    reaches from −1 to 1 along its longest axis. bounds "scene": the strata divide the ray from the
    scene's near to its far, as in the paper; "box": from where it enters the scene's box to where
    it leaves it. All points of a ray that misses the box lie where it comes nearest to entering.
    """

    directions: Tensor
    middles: Tensor
    centre: Tensor
    extent: Tensor

    def __init__(
        self, shape: NeLFShape, scene: Scene, intrinsics: Intrinsics, bounds: str = "scene"
    ) -> None:
        super().__init__()
        self.frequencies = shape.frequencies
        self.points = shape.points
        self.bounds = bounds
        self.near, self.far = scene.near, scene.far
        self.size = (intrinsics.height, intrinsics.width)
        low, high = torch.tensor(scene.box, dtype=torch.float32).unbind(0)
        self.reach = float((high - low).max()) / 2
        self.register_buffer("directions", camera_directions(intrinsics, shape.scale))
        self.register_buffer("middles", (torch.arange(shape.points) + 0.5) / shape.points)
        self.register_buffer("centre", (low + high) / 2)
        self.register_buffer("extent", (high - low) / 2)

    def forward(self, poses: Tensor, jitter: Tensor | None = None) -> Tensor:
        """Encode; `jitter` [V, h, w, P] in [−0.5, 0.5] moves points inside their strata."""
        # [1, h, w, 1, 3] times [V, 1, 1, 3, 3]: the camera's axes, summed
        rays = (self.directions[None, :, :, None, :] * poses[:, None, None, :, :3]).sum(-1)
        origins = poses[:, None, None, :, 3] - self.centre
        parts = self.middles if jitter is None else self.middles + jitter / self.points
        near, far = self._bounds(origins, rays)
        depths = near + (far - near) * parts
        points = (origins[..., None, :] + depths[..., None] * rays[..., None, :]) / self.reach
        encoded = frequency_encode(points.flatten(3), self.frequencies)
        return encoded.permute(0, 3, 1, 2)

    def _bounds(self, origins: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Return where rays begin and end, each [V, h, w, 1] or broadcast against it."""
        near, far = (
            torch.full_like(rays[..., :1], self.near),
            torch.full_like(rays[..., :1], self.far),
        )
        if self.bounds == "scene":
            return near, far
        # The slab method; a component that is almost zero must not be divided by.
        steep = torch.where(rays.abs() < _PARALLEL, torch.full_like(rays, _PARALLEL), rays)
        one, other = (-self.extent - origins) / steep, (self.extent - origins) / steep
        enter = torch.minimum(one, other).amax(-1, keepdim=True)
        leave = torch.maximum(one, other).amin(-1, keepdim=True)
        middle = (enter + leave) / 2  # where all points of a ray go that misses the box
        enter, leave = torch.minimum(enter, middle), torch.maximum(leave, middle)
        return enter.clamp(self.near, self.far), leave.clamp(self.near, self.far)


def camera_directions(intrinsics: Intrinsics, scale: int) -> Tensor:
    """Return the unit directions [h, w, 3] in camera axes through blocks of `scale`² pixels."""
    height, width = (math.ceil(side / scale) for side in (intrinsics.height, intrinsics.width))
    x = (torch.arange(width) + 0.5) * scale
    y = (torch.arange(height) + 0.5) * scale
    across = ((x - intrinsics.cx) / intrinsics.fx).expand(height, width)
    down = ((y - intrinsics.cy) / intrinsics.fy)[:, None].expand(height, width)
    directions = torch.stack([across, -down, torch.full((height, width), -1.0)], -1)
    return directions / directions.norm(dim=-1, keepdim=True)


class LightField(nn.Module):
    """A whole light field: poses [V, 3, 4] in, images [V, H, W, 3] in [0, 1] out.

    The camera's intrinsics, near, far and the scene's box are constants of the module; jitter as in
    `RayEncoder.forward`.
    """

    def __init__(self, encoder: RayEncoder, network: NeLFNetwork) -> None:
        super().__init__()
        self.encoder = encoder
        self.network = network

    def forward(self, poses: Tensor, jitter: Tensor | None = None) -> Tensor:
        height, width = self.encoder.size
        images: Tensor = self.network(self.encoder(poses, jitter))
        return images[:, :, :height, :width].permute(0, 2, 3, 1)
