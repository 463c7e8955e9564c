"""The box of the visual hull holds what the views show, and little more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effbench.scene import Intrinsics
from effbench.scene.visual_hull import Silhouettes, hull_box

BOX = np.array([[-1.5] * 3, [1.5] * 3], np.float32)
CAMERA = Intrinsics(64, 48, 90.0, 90.0, 32.0, 24.0)


def looking_at_origin(position: Sequence[float]) -> NDArray[np.float32]:
    """Return a pose [3, 4] at `position`, its −z axis towards the origin."""
    back = np.asarray(position, float) / np.linalg.norm(position)
    right = np.cross([0.3, 0.5, 1.0], back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back, np.asarray(position)], 1).astype("f4")


def view_of_ball(
    pose: NDArray[np.float32], centre: Sequence[float], radius: float
) -> NDArray[np.bool_]:
    """Return which pixels [H, W] show an opaque ball, by intersecting every pixel's ray."""
    y, x = np.mgrid[: CAMERA.height, : CAMERA.width] + 0.5
    local = np.stack(
        [(x - CAMERA.cx) / CAMERA.fx, -(y - CAMERA.cy) / CAMERA.fy, -np.ones_like(x)], -1
    )
    rays = local @ pose[:, :3].T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    offset = np.asarray(centre) - pose[:, 3]
    along = rays @ offset
    hit: NDArray[np.bool_] = (offset @ offset - along**2 < radius**2) & (along > 0)
    return hit


def views_of_ball(centre: Sequence[float], radius: float) -> Silhouettes:
    directions = np.random.default_rng(0).normal(size=(40, 3))
    positions = 4 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    poses = np.stack([looking_at_origin(position) for position in positions])
    masks = np.stack([view_of_ball(pose, centre, radius) for pose in poses])
    return Silhouettes(masks, poses, CAMERA)


def test_the_box_holds_the_object_and_little_more() -> None:
    centre, radius = (0.3, -0.2, 0.1), 0.5
    low, high = hull_box(views_of_ball(centre, radius), BOX)
    assert (low <= np.subtract(centre, radius)).all()
    assert (high >= np.add(centre, radius)).all()
    cell, pixel = 3 / 64, 4 / 90  # of the fine lattice; on the object, in world units
    assert (np.subtract(centre, radius) - low < 3 * cell + 2 * pixel).all()
    assert (high - np.add(centre, radius) < 3 * cell + 2 * pixel).all()


def test_what_no_view_sees_is_kept() -> None:
    seen = views_of_ball((0, 0, 0), 0.5)
    narrow = Intrinsics(64, 48, 900.0, 900.0, 32.0, 24.0)  # sees only the middle of the ball
    everything = Silhouettes(np.ones_like(seen.masks), seen.poses, narrow)
    assert (hull_box(everything, BOX) == BOX).all()


def test_points_behind_a_camera_are_kept() -> None:
    pose = looking_at_origin((0.0, 0.0, 1.0))[None]  # inside the box, looking down
    empty = np.zeros((1, CAMERA.height, CAMERA.width), np.bool_)
    _, high = hull_box(Silhouettes(empty, pose, CAMERA), BOX)
    assert high[2] == BOX[1, 2]


def test_empty_images_say_nothing() -> None:
    assert (hull_box(views_of_ball((9, 9, 9), 0.1), BOX) == BOX).all()
