"""Pixels of training views to rays and colours.

Notation: V views of H×W pixels, P pixels in all, one view after the other and each row by row; R
pixels that are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.kernels.rays import generate_rays
from effbench.scene import Intrinsics


@dataclass(frozen=True)
class Pictures:
    """colors: uint8 [P, 3] or [P, 4] with alpha; poses: float32 [V, 3, 4] camera to world, OpenGL
    axes; corner: float32 [3] and side: of the cube that rays are in."""

    colors: Tensor
    poses: Tensor
    camera: Intrinsics
    height: int
    width: int
    corner: Tensor
    side: float


def look_up(
    pictures: Pictures, pixel: Tensor, backend: str = "auto"
) -> tuple[Tensor, Tensor, Tensor]:
    """Return origins and unit directions (float32 [R, 3], in the cube) of the rays through the
    centres of pixels (int64 [R]), and their colours (float32 [R, 3] or [R, 4], in [0, 1])."""
    chosen = resolve(backend, pixel.device)
    if chosen == "reference":
        return look_up_reference(pictures, pixel, backend)
    count, device = len(pixel), pixel.device
    origins, directions = (torch.empty(count, 3, device=device) for _ in range(2))
    colors = torch.empty(count, pictures.colors.shape[1], device=device)
    camera = pictures.camera
    pinhole = (camera.fx, camera.fy, camera.cx, camera.cy)
    if chosen == "cpu":
        from effbench.kernels.cpu import rays as cpu

        given = (x.contiguous().numpy() for x in (pixel, pictures.colors, pictures.poses))
        size = (pictures.height, pictures.width)
        made = (x.numpy() for x in (origins, directions, colors))
        cpu.look_up(*given, *pinhole, *size, pictures.corner.numpy(), pictures.side, *made)
        return origins, directions, colors
    from effbench.kernels.gpu import pixels as gpu

    gpu.look_up(
        pixel.contiguous(),
        pictures.colors,
        pictures.poses.contiguous(),
        pinhole,
        pictures.height,
        pictures.width,
        pictures.corner,
        pictures.side,
        origins,
        directions,
        colors,
    )
    return origins, directions, colors


def look_up_reference(
    pictures: Pictures, pixel: Tensor, backend: str = "reference"
) -> tuple[Tensor, Tensor, Tensor]:
    """The definition; `backend` is that of the rays."""
    row = pixel // pictures.width
    view, y, x = row // pictures.height, row % pictures.height, pixel % pictures.width
    world, directions = generate_rays(pictures.poses, pictures.camera, view, x, y, backend)
    colors = pictures.colors.index_select(0, pixel).float() / 255
    return (world - pictures.corner) / pictures.side, directions, colors
