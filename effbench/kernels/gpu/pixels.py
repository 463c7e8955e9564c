"""Rays and colours of training pixels in Triton: one pass, a lane per pixel."""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch
from effbench.kernels.gpu.rays import _row, _store

_BLOCK = 128  # pixels per program


def look_up(
    pixel: Tensor,
    pictures: Tensor,
    poses: Tensor,
    pinhole: tuple[float, float, float, float],
    height: int,
    width: int,
    corner: Tensor,
    side: float,
    origins: Tensor,
    directions: Tensor,
    colors: Tensor,
) -> None:
    """Write `origins`, `directions` [R, 3] and `colors` [R, C]; see `effbench.kernels.pixels`.
    pinhole: fx, fy, cx, cy."""
    count = len(pixel)
    arguments = (pixel, pictures, poses, corner, origins, directions, colors, count)
    constants = {"HEIGHT": height, "WIDTH": width, "CHANNELS": colors.shape[1], "BLOCK": _BLOCK}
    numbers = map(float, (*pinhole, side))
    launch(_look_up, (blocks(count, _BLOCK),), *arguments, *numbers, **constants)


@jit
def _look_up(  # type: ignore[no-untyped-def]
    pixels,
    pictures,
    poses,
    corner,
    origins,
    directions,
    colors,
    count,
    fx,
    fy,
    cx,
    cy,
    side,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    pixel = tl.load(pixels + i, mask=inside, other=0)
    row = pixel // WIDTH
    a = ((pixel % WIDTH).to(tl.float32) + 0.5 - cx) / fx
    b = (cy - 0.5 - (row % HEIGHT).to(tl.float32)) / fy
    pose = poses + row // HEIGHT * 12
    dx, ox = _row(pose, a, b, inside)
    dy, oy = _row(pose + 4, a, b, inside)
    dz, oz = _row(pose + 8, a, b, inside)
    inverse = 1.0 / tl.sqrt(dx * dx + dy * dy + dz * dz)
    _store(directions, i, inside, dx * inverse, dy * inverse, dz * inverse)
    x0, y0, z0 = tl.load(corner), tl.load(corner + 1), tl.load(corner + 2)
    _store(origins, i, inside, (ox - x0) / side, (oy - y0) / side, (oz - z0) / side)
    channel = tl.arange(0, 4)[None, :]
    shown = inside[:, None] & (channel < CHANNELS)
    byte = tl.load(pictures + pixel[:, None] * CHANNELS + channel, mask=shown, other=0)
    tl.store(colors + i[:, None] * CHANNELS + channel, byte.to(tl.float32) / 255.0, mask=shown)
