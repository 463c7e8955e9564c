"""Draw shapes from cameras: Blinn-Phong shading with soft shadows, averaged over subsamples.

Importing this module imports numba. Notation as in `solids`; colours are sRGB in [0, 1].
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effbench.scene.contract import Intrinsics
from effbench.scene.raytrace.compiled import compiled
from effbench.scene.raytrace.packing import pack
from effbench.scene.raytrace.shapes import Shape, Vector
from effbench.scene.raytrace.solids import (
    along,
    blocked,
    dot,
    first_hit,
    local_normal,
    passes,
    to_local,
    to_world,
    unit,
    vector,
)
from effbench.scene.raytrace.textures import blend

SUBSAMPLES = 4  # per pixel side: 16 levels of coverage, and of a penumbra
LIGHT = (0.45, -0.55, 0.75)  # direction to the middle of the key light, not normalised
LIGHT_RADIUS = 0.1  # half side of the light at distance 1: the width of penumbrae
DIFFUSE, AMBIENT_BELOW, AMBIENT_ABOVE = 0.6, 0.25, 0.5  # ambient: facing down and facing up
_NUDGE = 1e-5  # world units: out of the surface for shadow rays, into it for textures


def render(
    shapes: Sequence[Shape], poses: NDArray[np.float32], camera: Intrinsics
) -> NDArray[np.uint8]:
    """Return V views of `shapes` as uint8 [V, H, W, 4], straight alpha, nothing behind them.

    poses: float32 [V, 3, 4] camera to world, OpenGL axes.
    """
    return _render([pack(shapes)] * len(poses), poses, camera)


def render_frames(
    frames: Sequence[Sequence[Shape]], poses: NDArray[np.float32], camera: Intrinsics
) -> NDArray[np.uint8]:
    """Return what `render` does where every view has shapes of its own: `frames`, as many as
    `poses`."""
    return _render([pack(shapes) for shapes in frames], poses, camera)


def _render(packed: list[Any], poses: NDArray[np.float32], camera: Intrinsics) -> NDArray[np.uint8]:
    images = np.empty((len(poses), camera.height, camera.width, 4), np.uint8)
    lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    draw = partial(_render_view, lights=_lights(), lens=lens)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # compiled code runs without the GIL
        views = zip(packed, poses.astype(np.float64), images, strict=True)
        list(
            pool.map(lambda view: draw(view[0], pose=view[1], image=view[2]), views)
        )  # errors show
    return images


def _lights() -> NDArray[np.float64]:
    """Return the direction to the key light for each subsample of a pixel: float64 [S², 3].

    The light is a square of S×S points and each subsample sees one of them, so shadows get
    penumbrae at no cost. Steps of 7 through the 16 keep neighbouring subsamples apart.
    """
    middle = np.array(LIGHT) / np.sqrt((np.array(LIGHT) ** 2).sum())
    right = np.cross(middle, (0.0, 0.0, 1.0))
    up = np.cross(right, middle)
    order = np.arange(SUBSAMPLES**2) * 7 % SUBSAMPLES**2
    row, column = np.divmod(order, SUBSAMPLES)
    u, v = (2 * (cell + 0.5) / SUBSAMPLES - 1 for cell in (column, row))
    points = middle + LIGHT_RADIUS * (u[:, None] * right + v[:, None] * up)
    directions: NDArray[np.float64] = points / np.sqrt((points**2).sum(1, keepdims=True))
    return directions


@compiled
def _render_view(
    shapes: Any,
    lights: NDArray[np.float64],
    lens: NDArray[np.float64],
    pose: NDArray[np.float64],
    image: NDArray[np.uint8],
) -> None:
    """Draw one view, uint8 [H, W, 4]."""
    candidates = np.empty(len(shapes), np.int64)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            count = _near_pixel(shapes, pose, lens, x, y, candidates)
            if count > 0:
                _render_pixel(shapes, lights, pose, lens, x, y, candidates, count, image)
            else:
                image[y, x] = 0


@compiled
def _near_pixel(
    shapes: Any,
    pose: NDArray[np.float64],
    lens: NDArray[np.float64],
    x: int,
    y: int,
    candidates: NDArray[np.int64],
) -> int:
    """Write the shapes that subsamples of a pixel may hit to `candidates`; return their number."""
    o = (pose[0, 3], pose[1, 3], pose[2, 3])
    d = _direction(pose, lens, x + 0.5, y + 0.5)
    count = 0
    for i in range(len(shapes)):
        if not passes(shapes[i], o, d, 0.75 / lens[0]):  # a pixel's half diagonal is 0.71 pixels
            candidates[count] = i
            count += 1
    return count


@compiled
def _direction(pose: NDArray[np.float64], lens: NDArray[np.float64], x: float, y: float) -> Vector:
    """Return the direction of the ray through image point (x, y), in pixels."""
    right, down = (x - lens[2]) / lens[0], (y - lens[3]) / lens[1]
    return unit(
        (
            pose[0, 0] * right - pose[0, 1] * down - pose[0, 2],
            pose[1, 0] * right - pose[1, 1] * down - pose[1, 2],
            pose[2, 0] * right - pose[2, 1] * down - pose[2, 2],
        )
    )


@compiled
def _render_pixel(
    shapes: Any,
    lights: NDArray[np.float64],
    pose: NDArray[np.float64],
    lens: NDArray[np.float64],
    x: int,
    y: int,
    candidates: NDArray[np.int64],
    count: int,
    image: NDArray[np.uint8],
) -> None:
    """Average the subsamples of one pixel of `image`, uint8 [H, W, 4]."""
    o = (pose[0, 3], pose[1, 3], pose[2, 3])
    red, green, blue, covered = 0.0, 0.0, 0.0, 0
    for s in range(len(lights)):
        sub_x = x + (s % SUBSAMPLES + 0.5) / SUBSAMPLES
        sub_y = y + (s // SUBSAMPLES + 0.5) / SUBSAMPLES
        d = _direction(pose, lens, sub_x, sub_y)
        t, i = first_hit(shapes, candidates, count, o, d)
        if i >= 0:
            colour = _shade(shapes, i, along(o, t, d), d, vector(lights[s]))
            red, green, blue = red + colour[0], green + colour[1], blue + colour[2]
            covered += 1
    scale = 255.0 / max(covered, 1)
    image[y, x, 0] = int(scale * red + 0.5)
    image[y, x, 1] = int(scale * green + 0.5)
    image[y, x, 2] = int(scale * blue + 0.5)
    image[y, x, 3] = int(255.0 * covered / len(lights) + 0.5)


@compiled
def _shade(shapes: Any, i: int, p: Vector, d: Vector, light: Vector) -> Vector:
    """Return the colour of shape i at surface point p, seen along d and lit from `light`."""
    shape = shapes[i]
    local = to_local(shape.axes, along(p, -1.0, vector(shape.centre)))
    local_n = local_normal(shape.kind, vector(shape.size), local)
    normal = to_world(shape.axes, local_n)
    inside = along(local, -_NUDGE, local_n)  # off the borders between cells that faces may lie on
    scale = shape.scale
    mix = blend(shape.pattern, inside[0] * scale, inside[1] * scale, inside[2] * scale)
    first, second = vector(shape.first), vector(shape.second)
    diffuse = AMBIENT_BELOW + (AMBIENT_ABOVE - AMBIENT_BELOW) * (0.5 + 0.5 * normal[2])
    highlight = 0.0
    facing = dot(normal, light)
    if facing > 0.0 and not blocked(shapes, along(p, _NUDGE, normal), light):
        diffuse += DIFFUSE * facing
        half = unit(along(light, -1.0, d))
        highlight = max(dot(normal, half), 0.0)
        for _ in range(shape.sharpness):  # a power of two: the same on every machine
            highlight *= highlight
        highlight *= shape.gloss
    return (
        min(diffuse * (first[0] + mix * (second[0] - first[0])) + highlight, 1.0),
        min(diffuse * (first[1] + mix * (second[1] - first[1])) + highlight, 1.0),
        min(diffuse * (first[2] + mix * (second[2] - first[2])) + highlight, 1.0),
    )
