"""Which cameras: evenly spaced ones of those there are, or new ones drawn among them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from effbench.errors import SceneError
from effbench.scene.contract import Intrinsics, Scene, Views

_FULL_CIRCLE = math.radians(300)  # cameras that cover so much of the azimuth surround the scene
_PROBES = 9  # rays along each side of an image that are followed
_TIE = 1e-6  # what the mean up counts beside the rights: nothing, unless they decide nothing


def evenly_spaced(count: int, wanted: int | None) -> list[int]:
    """Return `wanted` of `count` indices, evenly spaced and centred; None or too many: all."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return [int((i + 0.5) * count / wanted) for i in range(wanted)]


def most_common(views: Views) -> Intrinsics:
    """Return the camera of most views."""
    return Counter(views.cameras).most_common(1)[0][0]


def check_sight(scene: Scene) -> None:
    """Raise SceneError if no ray of any training camera meets the scene's box between near and far:
    nothing could be learnt, and nothing would say so."""
    poses = scene.train.poses.astype(np.float64)
    groups: dict[Intrinsics, list[int]] = {}
    for view, camera in enumerate(scene.train.cameras):
        groups.setdefault(camera, []).append(view)
    if any(_meets(scene, camera, poses[places]) for camera, places in groups.items()):
        return
    away = np.linalg.norm(poses[:, :, 3] - scene.box.mean(0), axis=1)
    raise SceneError(
        f"{scene.name}: no ray of its {len(poses)} training cameras meets the scene's box between "
        f"near {scene.near:g} and far {scene.far:g}: the cameras are {away.min():.3g} to "
        f"{away.max():.3g} away from the box's centre, the box is "
        f"{' × '.join(f'{side:.3g}' for side in np.ptp(scene.box, axis=0))} large. To fix it, "
        "scale the poses to the scene, or the scene's box to the poses"
    )


def _meets(scene: Scene, camera: Intrinsics, poses: NDArray[np.float64]) -> bool:
    """Whether a ray of a camera at some of the poses [V, 3, 4] meets the box."""
    at = np.linspace(0, 1, _PROBES)
    x, y = np.meshgrid(at * camera.width, at * camera.height)
    local = np.stack(
        [(x - camera.cx) / camera.fx, (camera.cy - y) / camera.fy, -np.ones_like(x)], -1
    ).reshape(-1, 3)
    local /= np.linalg.norm(local, axis=1, keepdims=True)
    along = np.einsum("vij,pj->vpi", poses[:, :, :3], local)
    eyes = poses[:, None, :, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        faces = (scene.box[:, None, None].astype(np.float64) - eyes) / along
    enter, leave = np.nanmax(faces.min(0), -1), np.nanmin(faces.max(0), -1)
    return bool((np.maximum(enter, scene.near) < np.minimum(leave, scene.far)).any())


def sample_poses(scene: Scene, count: int, seed: int) -> NDArray[np.float32]:
    """Return camera poses [count, 3, 4] that look at the centre of the scene's box.

    Distance and azimuth are uniform in the training cameras' range, elevation is uniform in its
    sine, so that cameras are spread evenly over the sphere; up is what the training cameras say.
    """
    generator = np.random.default_rng(seed)
    centre = scene.box.mean(0).astype(np.float64)
    frame = world_frame(scene)
    offsets = (scene.train.poses[:, :, 3].astype(np.float64) - centre) @ frame
    radius = np.linalg.norm(offsets, axis=1)
    sines = offsets[:, 2] / radius
    start, extent = azimuth_range(np.arctan2(offsets[:, 1], offsets[:, 0]))
    azimuth = start + extent * generator.random(count)
    sine = generator.uniform(sines.min(), sines.max(), count)
    distance = generator.uniform(radius.min(), radius.max(), count)
    cosine = np.sqrt(1 - sine**2)
    local = np.stack([cosine * np.cos(azimuth), cosine * np.sin(azimuth), sine], 1)
    outward = local @ frame.T
    return look_at(centre + distance[:, None] * outward, outward, frame[:, 2])


def world_frame(scene: Scene) -> NDArray[np.float64]:
    """Return orthonormal axes as columns [3, 3], the last the training cameras' up.

    Cameras that are held level have their right at a right angle to it: up is the axis along which
    the rights vary least, or, where all are the same, the one nearest to the mean up.
    """
    right, above = scene.train.poses[:, :, :2].astype(np.float64).transpose(2, 0, 1)
    mean = above.mean(0)
    spread = right.T @ right / len(right) - _TIE * np.outer(mean, mean)
    up = np.linalg.eigh(spread)[1][:, 0]
    up = up if up @ mean >= 0 else -up
    across = np.cross(np.eye(3)[np.argmin(np.abs(up))], up)
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(up, across), up], 1)


def azimuth_range(azimuth: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the cameras' arc begins and its extent in radians: all but the largest gap."""
    ordered = np.sort(azimuth)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    extent = 2 * math.pi - float(gaps[widest])
    if extent > _FULL_CIRCLE:
        return 0.0, 2 * math.pi
    return float(ordered[(widest + 1) % len(ordered)]), extent


def look_at(
    eye: NDArray[np.float64], backward: NDArray[np.float64], up: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return poses [V, 3, 4] of cameras at `eye` that look against unit `backward`, upright."""
    right = np.cross(up, backward)
    length = np.linalg.norm(right, axis=1, keepdims=True)
    # straight above, any direction is upright
    across = np.cross(np.eye(3)[np.argmin(np.abs(up))], up)
    right = np.where(length > 1e-6, right / np.maximum(length, 1e-6), across)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    poses = np.stack([right, np.cross(backward, right), backward, eye], 2)
    return poses.astype(np.float32)
