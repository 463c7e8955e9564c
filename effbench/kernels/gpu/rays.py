"""Ray generation and spherical harmonics in Triton: one pass, a lane per ray."""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch

_BLOCK = 128  # rays per program


def generate(
    poses: Tensor,
    pinhole: tuple[float, float, float, float],
    view: Tensor,
    x: Tensor,
    y: Tensor,
    origins: Tensor,
    directions: Tensor,
) -> None:
    """Write `origins` and `directions` [R, 3]; pinhole: fx, fy, cx, cy."""
    count = len(view)
    arguments = (poses, view, x, y, origins, directions, count, *map(float, pinhole))
    launch(_generate, (blocks(count, _BLOCK),), *arguments, BLOCK=_BLOCK)


def spherical_harmonics(directions: Tensor, harmonics: Tensor) -> None:
    """Write the harmonics [R, 16] of unit `directions` [R, 3]."""
    count = len(directions)
    grid = (blocks(count, _BLOCK),)
    launch(_spherical_harmonics, grid, directions, harmonics, count, BLOCK=_BLOCK)


@jit
def _generate(  # type: ignore[no-untyped-def]
    poses, view, x, y, origins, directions, count, fx, fy, cx, cy, BLOCK: tl.constexpr
):
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < count
    a = (tl.load(x + ray, mask=inside, other=0).to(tl.float32) + 0.5 - cx) / fx
    b = (cy - 0.5 - tl.load(y + ray, mask=inside, other=0).to(tl.float32)) / fy
    pose = poses + tl.load(view + ray, mask=inside, other=0) * 12
    dx, ox = _row(pose, a, b, inside)
    dy, oy = _row(pose + 4, a, b, inside)
    dz, oz = _row(pose + 8, a, b, inside)
    inverse = 1.0 / tl.sqrt(dx * dx + dy * dy + dz * dz)
    _store(origins, ray, inside, ox, oy, oz)
    _store(directions, ray, inside, dx * inverse, dy * inverse, dz * inverse)


@jit
def _row(pose, a, b, inside):  # type: ignore[no-untyped-def]
    """Return one coordinate of the direction through (a, b, −1) and of the origin."""
    right = tl.load(pose, mask=inside, other=0.0)
    up = tl.load(pose + 1, mask=inside, other=0.0)
    back = tl.load(pose + 2, mask=inside, other=1.0)
    return right * a + up * b - back, tl.load(pose + 3, mask=inside, other=0.0)


@jit
def _store(out, ray, inside, x, y, z):  # type: ignore[no-untyped-def]
    tl.store(out + ray * 3, x, mask=inside)
    tl.store(out + ray * 3 + 1, y, mask=inside)
    tl.store(out + ray * 3 + 2, z, mask=inside)


@jit
def _spherical_harmonics(directions, harmonics, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < count
    x = tl.load(directions + ray * 3, mask=inside, other=0.0)
    y = tl.load(directions + ray * 3 + 1, mask=inside, other=0.0)
    z = tl.load(directions + ray * 3 + 2, mask=inside, other=0.0)
    xx, yy, zz, xy, yz, xz = x * x, y * y, z * z, x * y, y * z, x * z
    out = harmonics + ray * 16
    tl.store(out, tl.full([BLOCK], 0.28209479177387814, tl.float32), mask=inside)
    tl.store(out + 1, -0.48860251190291987 * y, mask=inside)
    tl.store(out + 2, 0.48860251190291987 * z, mask=inside)
    tl.store(out + 3, -0.48860251190291987 * x, mask=inside)
    tl.store(out + 4, 1.0925484305920792 * xy, mask=inside)
    tl.store(out + 5, -1.0925484305920792 * yz, mask=inside)
    tl.store(out + 6, 0.94617469575755997 * zz - 0.31539156525251999, mask=inside)
    tl.store(out + 7, -1.0925484305920792 * xz, mask=inside)
    tl.store(out + 8, 0.54627421529603959 * (xx - yy), mask=inside)
    tl.store(out + 9, 0.59004358992664352 * y * (yy - 3 * xx), mask=inside)
    tl.store(out + 10, 2.8906114426405538 * xy * z, mask=inside)
    tl.store(out + 11, 0.45704579946446572 * y * (1 - 5 * zz), mask=inside)
    tl.store(out + 12, 0.3731763325901154 * z * (5 * zz - 3), mask=inside)
    tl.store(out + 13, 0.45704579946446572 * x * (1 - 5 * zz), mask=inside)
    tl.store(out + 14, 1.4453057213202769 * z * (xx - yy), mask=inside)
    tl.store(out + 15, 0.59004358992664352 * x * (3 * yy - xx), mask=inside)
