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


class RayEncoder(nn.Module):
    """Poses [V, 3, 4] (camera to world) to encoded rays [V, C, h, w], channels last in memory.

    A ray's points lie between the scene's near and far, in coordinates in which the scene's box
    reaches from −1 to 1 along its longest axis.
    """

    directions: Tensor
    depths: Tensor
    centre: Tensor

    def __init__(self, shape: NeLFShape, scene: Scene, intrinsics: Intrinsics) -> None:
        super().__init__()
        self.frequencies = shape.frequencies
        self.size = (intrinsics.height, intrinsics.width)
        low, high = torch.tensor(scene.box, dtype=torch.float32).unbind(0)
        self.reach = float((high - low).max()) / 2
        self.stratum = (scene.far - scene.near) / shape.points
        middles = scene.near + self.stratum * (torch.arange(shape.points) + 0.5)
        self.register_buffer("directions", camera_directions(intrinsics, shape.scale))
        self.register_buffer("depths", middles.float())
        self.register_buffer("centre", (low + high) / 2)

    def forward(self, poses: Tensor, jitter: Tensor | None = None) -> Tensor:
        """Encode; `jitter` [V, h, w, P] in [−0.5, 0.5] moves points inside their strata."""
        # [1, h, w, 1, 3] times [V, 1, 1, 3, 3]: the camera's axes, summed
        axes = poses[:, None, None, :, :3]
        rays = (self.directions[None, :, :, None, :] * axes).sum(-1)
        depths = self.depths if jitter is None else self.depths + self.stratum * jitter
        points = poses[:, None, None, None, :, 3] + depths[..., None] * rays[:, :, :, None, :]
        encoded = frequency_encode(((points - self.centre) / self.reach).flatten(3), self.frequencies)
        return encoded.permute(0, 3, 1, 2)


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
