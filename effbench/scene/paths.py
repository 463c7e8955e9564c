"""Camera paths through a scene, for videos: around it, before it, or along its test views.

Notation: a camera's offset is its eye less the focus; axes are `world_frame`'s, the last is up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from effbench.errors import SceneError, unknown
from effbench.scene.cameras import azimuth_range, look_at, world_frame
from effbench.scene.contract import Intrinsics, Scene

_PARALLEL = 1e-4  # of the axes' mean projector: below this eigenvalue they do not meet
_EVEN = 0.05  # deviation of the cameras' distances, of their mean, up to which they lie on a sphere
_SPREAD = 90  # percentile of the cameras' offsets that a path reaches, as in Mip-NeRF 360
_NEARBY = 0.15  # most of the distance to the focus that a spiral moves
_FINE = 64  # steps per frame of a curve whose frames are put at equal distances
_STILL = 1e-9  # of the path's length: test views closer than this are one


def camera_path(scene: Scene, kind: str, frames: int) -> NDArray[np.float32]:
    """Return the poses [frames, 3, 4] of a path.

    orbit: closed, around the focus of the training cameras, as far out and as high as they are; to
    and fro where they cover an arc alone; spiral: closed, two turns before the camera in the middle
    of the training cameras; test: along the test views in their order; still: where the first of
    these is. Raises ConfigError for another kind, SceneError for a scene that has no such path.
    """
    if kind not in PATHS:
        raise unknown("path", kind, PATHS)
    return PATHS[kind](scene, frames)


def orbit(scene: Scene, frames: int) -> NDArray[np.float32]:
    """Return a closed path around the focus: an ellipse through the cameras (Barron et al. 2022),
    a circle at their mean elevation if they lie on a sphere, to and fro if they are on an arc."""
    frame, centre = world_frame(scene), focus(scene)
    offsets = (scene.train.poses[:, :, 3].astype(np.float64) - centre) @ frame
    start, extent = azimuth_range(np.arctan2(offsets[:, 1], offsets[:, 0]))
    distance = np.linalg.norm(offsets, axis=1)
    if extent < 2 * math.pi:
        local = _arc(offsets, start, extent, frames)
    elif distance.std() < _EVEN * distance.mean():
        elevation = math.asin(float((offsets[:, 2] / distance).mean()))
        across, up = math.cos(elevation), math.sin(elevation)
        theta = 2 * math.pi * np.arange(frames) / frames
        circle = np.stack([across * np.cos(theta), across * np.sin(theta), np.full(frames, up)], 1)
        local = distance.mean() * circle
    else:
        local = _ellipse(offsets, frames)
    return _looking(local @ frame.T + centre, centre, frame)


def spiral(scene: Scene, frames: int) -> NDArray[np.float32]:
    """Return a closed path of two turns before the camera in the middle (Mildenhall et al. 2019),
    nearer in one and farther in the other, looking at the focus."""
    frame, centre = world_frame(scene), focus(scene)
    eyes = scene.train.poses[:, :, 3].astype(np.float64)
    middle = _middle((eyes - centre) @ frame)
    pose = _looking(eyes[middle][None], centre, frame)[0].astype(np.float64)
    reach = np.percentile(np.abs((eyes - eyes[middle]) @ pose[:, :3]), _SPREAD, axis=0)
    reach = np.minimum(reach, _NEARBY * np.linalg.norm(eyes[middle] - centre))
    theta = 4 * math.pi * np.arange(frames) / frames
    turns = np.stack([np.cos(theta), np.sin(theta), np.sin(theta / 2)], 1)
    return _looking(eyes[middle] + (turns * reach) @ pose[:, :3].T, centre, frame)


def along_test(scene: Scene, frames: int) -> NDArray[np.float32]:
    """Return a path along the test views: eyes on a cubic spline, rotations by slerp, at even speed
    in distance and angle. Raises SceneError for test views that are all the same."""
    from scipy.interpolate import CubicSpline
    from scipy.spatial.transform import Rotation, Slerp

    poses = scene.test.poses.astype(np.float64)
    turns = Rotation.from_matrix(poses[:, :, :3])
    away = np.linalg.norm(poses[:, :, 3] - focus(scene), axis=1).mean()
    steps = np.linalg.norm(np.diff(poses[:, :, 3], axis=0), axis=1)
    steps += away * (turns[:-1].inv() * turns[1:]).magnitude() if len(poses) > 1 else 0
    kept = np.concatenate([[True], steps > _STILL * max(steps.sum(), 1e-12)])
    if kept.sum() < 2:
        raise SceneError(
            f"{scene.name}: its test views are one camera, and a path needs two: choose --path "
            "orbit or spiral"
        )
    at = np.concatenate([[0], steps[kept[1:]].cumsum()])
    asked = np.linspace(0, at[-1], frames)
    eyes = CubicSpline(at, poses[kept, :, 3])(asked)
    rotations = Slerp(at, turns[np.flatnonzero(kept)])(asked).as_matrix()
    return np.concatenate([rotations, eyes[..., None]], 2).astype(np.float32)


def still(scene: Scene, frames: int) -> NDArray[np.float32]:
    """Return the first test view's pose, again and again: for scenes that move."""
    return np.repeat(scene.test.poses[:1], frames, 0)


PATHS: dict[str, Callable[[Scene, int], NDArray[np.float32]]] = {
    "orbit": orbit,
    "spiral": spiral,
    "test": along_test,
    "still": still,
}


def focus(scene: Scene) -> NDArray[np.float64]:
    """Return the point [3] nearest to the training cameras' optical axes, in least squares; the
    middle of the scene's inner box, or box, if the axes are parallel."""
    eyes = scene.train.poses[:, :, 3].astype(np.float64)
    axes = scene.train.poses[:, :, 2].astype(np.float64)
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    total = across.mean(0)
    if np.linalg.eigvalsh(total)[0] < _PARALLEL:
        box = scene.box if scene.inner is None else scene.inner
        return np.asarray(box.mean(0), np.float64)
    point: NDArray[np.float64] = np.linalg.solve(
        total, np.einsum("vij,vj->i", across, eyes) / len(eyes)
    )
    return point


def resized(camera: Intrinsics, width: int, height: int) -> Intrinsics:
    """Return a camera of another size that sees as much from top to bottom."""
    scale = height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=camera.cx / camera.width * width,
        cy=camera.cy * scale,
    )


def _looking(
    eyes: NDArray[np.float64], centre: NDArray[np.float64], frame: NDArray[np.float64]
) -> NDArray[np.float32]:
    backward = eyes - centre
    return look_at(eyes, backward / np.linalg.norm(backward, axis=1, keepdims=True), frame[:, 2])


def _arc(
    offsets: NDArray[np.float64], start: float, extent: float, frames: int
) -> NDArray[np.float64]:
    """Return offsets [frames, 3] to and fro along an arc at the cameras' median radius and height,
    slower at its ends."""
    theta = 2 * math.pi * np.arange(frames) / frames
    azimuth = start + extent * (1 - np.cos(theta)) / 2
    radius = np.median(np.hypot(offsets[:, 0], offsets[:, 1]))
    height = np.full(frames, np.median(offsets[:, 2]))
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], 1)


def _ellipse(offsets: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """Return offsets [frames, 3] at equal distances on a level ellipse around the focus, whose axes
    are those of the cameras' spread."""
    flat = offsets[:, :2]
    axes = np.linalg.eigh(flat.T @ flat)[1]
    half = np.percentile(np.abs(flat @ axes), _SPREAD, axis=0)
    theta = np.linspace(0, 2 * math.pi, _FINE * frames + 1)
    curve = (half * np.stack([np.cos(theta), np.sin(theta)], 1)) @ axes.T
    length = np.concatenate([[0], np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()])
    at = length[-1] * np.arange(frames) / frames
    x, y = (np.interp(at, length, curve[:, axis]) for axis in (0, 1))
    return np.stack([x, y, np.full(frames, np.median(offsets[:, 2]))], 1)


def _middle(offsets: NDArray[np.float64]) -> int:
    """Return the camera nearest in direction to the middle of the cameras' arc, at their median
    elevation."""
    outward = offsets / np.linalg.norm(offsets, axis=1, keepdims=True)
    start, extent = azimuth_range(np.arctan2(offsets[:, 1], offsets[:, 0]))
    azimuth, sine = start + extent / 2, float(np.median(outward[:, 2]))
    cosine = math.sqrt(1 - sine**2)
    wanted = np.array([cosine * math.cos(azimuth), cosine * math.sin(azimuth), sine])
    return int(np.argmax(outward @ wanted))
