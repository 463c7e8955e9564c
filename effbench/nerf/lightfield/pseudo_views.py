"""Pseudo views: what a trained teacher sees from cameras drawn among the training cameras.

A student of a neural light field needs many more views than a scene has (Wang et al. 2022,
*R2L*). They are rendered once per teacher and kept beside its result, so that every student, and
every network made of a student, trains on the same ones.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from effbench import files
from effbench.machine import host_memory
from effbench.method import Checkpoint
from effbench.scene import Intrinsics, Scene
from effbench.scene.cameras import sample_poses

_LEAST = 8  # views that are rendered whatever they cost: a student needs something to learn from
_COPIES = 3  # of all images at once, while they are written: themselves, as bytes, and as a file
_SHARE = 0.8  # of the host's free memory that they may take

Render = Callable[[Tensor, Intrinsics], Tensor]


@dataclass(frozen=True)
class PseudoViews:
    """Images uint8 [V, H, W, 3] over the scene's background, poses float32 [V, 3, 4], and the
    seconds that rendering them took."""

    images: Tensor
    poses: Tensor
    render_s: float

    @classmethod
    def none(cls, camera: Intrinsics) -> PseudoViews:
        """Return no views of a camera."""
        images = torch.empty(0, camera.height, camera.width, 3, dtype=torch.uint8)
        return cls(images, torch.empty(0, 3, 4), 0.0)

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ViewRequest:
    """Which views: at most `count`, rendered for at most `seconds` (None: without a limit)."""

    count: int
    seconds: float | None
    intrinsics: Intrinsics

    def affordable(self) -> int:
        """Return how many views the host's memory has room for, at most all, at least a few."""
        image = 3 * self.intrinsics.width * self.intrinsics.height
        room = int(_SHARE * host_memory.available() / (_COPIES * image))
        return min(self.count, max(room, _LEAST))

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
        return _read(path, request.affordable())
    views = render_views(render(), scene, request, seed=int(digest[:8], 16))
    if path is not None:
        _write(path, views)
    return views


def cache_file(folder: Path | None, key: str) -> Path | None:
    """Return the file of the views called `key` in a teacher's folder, None without a folder."""
    return folder / f"pseudo-views-{key}.safetensors" if folder is not None else None


def render_views(render: Render, scene: Scene, request: ViewRequest, seed: int) -> PseudoViews:
    """Render views until their number, their time or the host's memory is reached, at least a
    few."""
    most = request.affordable()
    poses = torch.from_numpy(sample_poses(scene, request.count, seed))
    images: list[Tensor] = []
    began = time.perf_counter()
    spent = 0.0
    for pose in poses[:most]:
        image = render(pose, request.intrinsics)
        images.append((image.clamp(0, 1) * 255).round().to(torch.uint8).cpu())
        spent = time.perf_counter() - began
        if request.seconds is not None and len(images) >= _LEAST and spent >= request.seconds:
            break
    return PseudoViews(torch.stack(images), poses[: len(images)].clone(), spent)


def _write(path: Path, views: PseudoViews) -> None:
    tensors = {"images": views.images, "poses": views.poses}
    files.write_bytes(path, safetensors.torch.save(tensors, {"render_s": repr(views.render_s)}))


def _read(path: Path, most: int) -> PseudoViews:
    """Return the first views of a file, at most as many as given."""
    with safetensors.safe_open(path, framework="pt") as file:
        render_s = float(file.metadata()["render_s"])
        images, poses = (file.get_slice(name)[:most] for name in ("images", "poses"))
        return PseudoViews(images, poses, render_s)
