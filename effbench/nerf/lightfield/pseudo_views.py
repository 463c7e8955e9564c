"""Pseudo views: what a trained teacher sees from cameras drawn among the training cameras.

A student of a neural light field needs many more views than a scene has (Wang et al. 2022,
*R2L*). They are rendered once per teacher and kept beside its result, so that every student, and
every network made of a student, trains on the same ones.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from effbench import files
from effbench.method import Checkpoint
from effbench.scene import Intrinsics, Scene

_LEAST = 8  # views that are rendered whatever they cost: a student needs something to learn from
_FULL_CIRCLE = math.radians(300)  # cameras that cover so much of the azimuth surround the scene
_TIE = 1e-6  # what the mean up counts beside the rights: nothing, unless they decide nothing

Render = Callable[[Tensor, Intrinsics], Tensor]


@dataclass(frozen=True)
class PseudoViews:
    """Images uint8 [V, H, W, 3] over the scene's background, poses float32 [V, 3, 4], and the
    seconds that rendering them took."""

    images: Tensor
    poses: Tensor
    render_s: float

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ViewRequest:
    """Which views: at most `count`, rendered for at most `seconds` (None: without a limit)."""

    count: int
    seconds: float | None
    intrinsics: Intrinsics

    def key(self, teacher: str) -> str:
        """Return a short hash of the request and the teacher's model."""
        text = json.dumps([asdict(self), teacher])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def model_hash(checkpoint: Checkpoint) -> str:
    """Return a SHA-256 over a checkpoint's tensors: their names, types, shapes and bytes."""
    digest = hashlib.sha256(checkpoint.method.encode())
    for name, tensor in sorted(checkpoint.state.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def views_of(
    teacher: Checkpoint, scene: Scene, request: ViewRequest, render: Callable[[], Render]
) -> PseudoViews:
    """Return the teacher's views: from the file beside its result, or rendered and kept there.

    render: gives the teacher's renderer, and is called only if there is no file. A teacher that
    has no folder (in memory) is rendered anew.
    """
    digest = model_hash(teacher)
    path = cache_file(teacher.folder, request.key(digest))
    if path is not None and path.exists():
        return _read(path)
    views = render_views(render(), scene, request, seed=int(digest[:8], 16))
    if path is not None:
        _write(path, views)
    return views


def cache_file(folder: Path | None, key: str) -> Path | None:
    """Return the file of the views called `key` in a teacher's folder, None without a folder."""
    return folder / f"pseudo-views-{key}.safetensors" if folder is not None else None


def render_views(render: Render, scene: Scene, request: ViewRequest, seed: int) -> PseudoViews:
    """Render views until their number or their time is reached, at least a few."""
    poses = torch.from_numpy(sample_poses(scene, request.count, seed))
    images: list[Tensor] = []
    began = time.perf_counter()
    spent = 0.0
    for pose in poses:
        image = render(pose, request.intrinsics)
        images.append((image.clamp(0, 1) * 255).round().to(torch.uint8).cpu())
        spent = time.perf_counter() - began
        if request.seconds is not None and len(images) >= _LEAST and spent >= request.seconds:
            break
    return PseudoViews(torch.stack(images), poses[: len(images)].clone(), spent)


def sample_poses(scene: Scene, count: int, seed: int) -> NDArray[np.float32]:
    """Return camera poses [count, 3, 4] that look at the centre of the scene's box.

    Distance and azimuth are uniform in the training cameras' range, elevation is uniform in its
    sine, so that cameras are spread evenly over the sphere; up is what the training cameras say.
    """
    generator = np.random.default_rng(seed)
    centre = scene.box.mean(0).astype(np.float64)
    frame = _world_frame(scene)
    offsets = (scene.train.poses[:, :, 3].astype(np.float64) - centre) @ frame
    radius = np.linalg.norm(offsets, axis=1)
    sines = offsets[:, 2] / radius
    start, extent = _azimuth_range(np.arctan2(offsets[:, 1], offsets[:, 0]))
    azimuth = start + extent * generator.random(count)
    sine = generator.uniform(sines.min(), sines.max(), count)
    distance = generator.uniform(radius.min(), radius.max(), count)
    cosine = np.sqrt(1 - sine**2)
    local = np.stack([cosine * np.cos(azimuth), cosine * np.sin(azimuth), sine], 1)
    outward = local @ frame.T
    return _look_at(centre + distance[:, None] * outward, outward, frame[:, 2])


def _world_frame(scene: Scene) -> NDArray[np.float64]:
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


def _azimuth_range(azimuth: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the cameras' arc begins and its extent in radians: all but the largest gap."""
    ordered = np.sort(azimuth)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    extent = 2 * math.pi - float(gaps[widest])
    if extent > _FULL_CIRCLE:
        return 0.0, 2 * math.pi
    return float(ordered[(widest + 1) % len(ordered)]), extent


def _look_at(
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


def _write(path: Path, views: PseudoViews) -> None:
    tensors = {"images": views.images, "poses": views.poses}
    files.write_bytes(path, safetensors.torch.save(tensors, {"render_s": repr(views.render_s)}))


def _read(path: Path) -> PseudoViews:
    with safetensors.safe_open(path, framework="pt") as file:
        render_s = float(file.metadata()["render_s"])
        return PseudoViews(file.get_tensor("images"), file.get_tensor("poses"), render_s)
