"""Captures: posed photographs of a place, made a scene of pinholes, put upright.

What formats share once images, lenses and poses are read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from effbench.scene import manifest
from effbench.scene.contract import Intrinsics, Scene, Views
from effbench.scene.lazy import Lazy
from effbench.scene.normalise import similarity
from effbench.scene.readers import (
    box_downscale,
    check_downscale,
    decode_image,
    fail,
    image_size,
    read_bytes,
)
from effbench.scene.undistortion import Lens, resampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

SUFFIXES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")

_HOLD = 8  # every so many views one is held out
_NEAR_OF_POINTS, _NEAR = 0.55, 0.2  # of the least depth of a point; without points, in units
_LEAST_NEAR, _FAR = 1e-9, 1e3
_INNER = 1.0  # half side of what is not contracted: what the cameras stand around


@dataclass(frozen=True)
class CaptureConfig:
    """How a capture is read."""

    downscale: int = 1  # integer factor on both sides; must divide them
    box: float = 4.0  # half side of what is modelled, in median distances of the cameras
    split: Literal["test", "val"] = "test"  # val: every 8th training view, which are not trained on


@dataclass(frozen=True)
class Shot:
    """A photograph: its name, file, lens, and pose float64 [3, 4] camera to world, OpenGL axes."""

    name: str
    path: Path
    lens: Lens
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class Capture:
    """shots: in the order of names; points: float64 [P, 3] of the scene, if any are known; held:
    the names that are for testing, None for every 8th; nearest: float64 [V], the least depth that
    each shot shows, where the format says it; notes: of its reader."""

    name: str
    folder: Path
    shots: Sequence[Shot]
    points: NDArray[np.float64]
    notes: Sequence[str] = ()
    held: frozenset[str] | None = None
    nearest: NDArray[np.float64] | None = None


def to_scene(capture: Capture, config: CaptureConfig, files: Sequence[Path]) -> Scene:
    """Return a capture as a scene; files: what its manifest is of, besides the images.

    Raises SceneError naming the file, the fault and the remedy.
    """
    if not 0 < config.box < 1e6:
        raise fail(capture.name, f"box={config.box} is no half side", "write a positive number")
    images, cameras, more = _Images(capture, config.downscale).read()
    poses = np.stack([shot.pose for shot in capture.shots])
    put = similarity(poses)
    placed = put.of_poses(poses)
    train, test = _split(capture, config.split)
    if not train or not test:
        wrong = f"{len(poses)} images are too few to hold out every {_HOLD}th"
        raise fail(capture.folder, wrong, "capture more, or copy the missing ones")

    def views(places: list[int]) -> Views:
        return Views.of(
            [images[place] for place in places],
            placed[places].astype(np.float32),
            [cameras[place] for place in places],
            [capture.shots[place].name for place in places],
        )

    half = config.box
    near = _near(placed[train], [cameras[at] for at in train], put.of_points(capture.points))
    if capture.nearest is not None:
        near = _NEAR_OF_POINTS * put.scale * float(capture.nearest[train].min())
    if not (np.isfinite(placed).all() and _LEAST_NEAR < near < _FAR):
        wrong = f"its poses put the cameras nowhere, or rays begin at {near:g} (unit: a camera's"
        raise fail(capture.folder, f"{wrong} distance)", "estimate poses and depths again")
    return Scene(
        name=capture.name,
        train=views(train),
        test=views(test),
        near=near,
        far=_FAR,
        box=np.array([[-half] * 3, [half] * 3], np.float32),
        manifest=digest(capture, files),
        opaque=True,
        inner=np.array([[-_INNER] * 3, [_INNER] * 3], np.float32),
        notes=(*capture.notes, *more),
    )


def digest(capture: Capture, files: Sequence[Path]) -> str:
    """Return the manifest of a capture: of its images and of other files."""
    paths = [*files, *(shot.path for shot in capture.shots)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(lambda path: manifest.sha256(read_bytes(path)), paths)
        named = (path.relative_to(capture.folder).as_posix() for path in paths)
        return manifest.digest(dict(zip(named, hashes, strict=True)))


class _Images:
    """Reads a capture's images, each as that of the pinhole of its own lens."""

    def __init__(self, capture: Capture, factor: int) -> None:
        self._shots, self._factor = capture.shots, factor
        sizes = [image_size(shot.path) for shot in self._shots]
        for size in dict.fromkeys(sizes):
            check_downscale(self._shots[sizes.index(size)].path, *size, factor)
        self._lenses = [
            Lens(shot.lens.at_size(*size), shot.lens.distortion)
            for shot, size in zip(self._shots, sizes, strict=True)
        ]
        self._warps = {lens: resampling(*lens) for lens in dict.fromkeys(self._lenses)}

    def read(self) -> tuple[list[NDArray[np.uint8]], list[Intrinsics], tuple[str, ...]]:
        """Return the images, uint8 [h, w, 3], their cameras, and notes on both."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
            images = list(pool.map(self._decoded, self._shots, self._lenses))
        cameras = [lens.pinhole.reduced(self._factor) for lens in self._lenses]
        return images, cameras, (*_of_sizes(cameras), *self._moved())

    def _decoded(self, shot: Shot, lens: Lens) -> NDArray[np.uint8]:
        image = decode_image(shot.path, read_bytes(shot.path))[..., :3]
        size = (lens.pinhole.height, lens.pinhole.width)
        if image.shape[:2] != size:  # it was another file when its size was read
            raise fail(shot.path, "changed while it was read", "load the scene again")
        warp = self._warps[lens]
        return box_downscale(warp(image) if warp else image, self._factor)

    def _moved(self) -> tuple[str, ...]:
        """Return a note on images that were resampled."""
        warps = [warp for warp in self._warps.values() if warp]
        if not warps:
            return ()
        moves, outside = zip(*(warp.moves() for warp in warps), strict=True)
        return (
            f"images of {len(warps)} of {len(self._warps)} lenses are resampled onto their "
            f"pinholes: pixels move by up to {max(moves):.1f} px, {max(outside):.1%} lie beyond "
            "the image",
        )


def _of_sizes(cameras: Sequence[Intrinsics]) -> tuple[str, ...]:
    """Return a note on images of several sizes."""
    counts = Counter((camera.width, camera.height) for camera in cameras)
    if len(counts) == 1:
        return ()
    common = ", ".join(f"{w}×{h} ({n})" for (w, h), n in counts.most_common(3))
    return (f"images have {len(counts)} sizes: {common}{', …' if len(counts) > 3 else ''}",)


def _split(capture: Capture, evaluated: str) -> tuple[list[int], list[int]]:
    """Return the places of training and of evaluated views."""
    held = capture.held
    places = range(len(capture.shots))
    test = [
        place
        for place in places
        if (place % _HOLD == 0 if held is None else capture.shots[place].name in held)
    ]
    train = [place for place in places if place not in set(test)]
    if evaluated == "test":
        return train, test
    val = train[_HOLD // 2 :: _HOLD]
    return [place for place in train if place not in set(val)], val


def _near(
    poses: NDArray[np.float64], cameras: Sequence[Intrinsics], points: NDArray[np.float64]
) -> float:
    """Return where rays begin: before the nearest point that any training camera sees."""
    least = np.inf
    for pose, camera in zip(poses, cameras, strict=True):
        local = (points - pose[:, 3]) @ pose[:, :3]
        depth = -local[:, 2]
        ahead = depth > 1e-6
        x = camera.cx + camera.fx * local[ahead, 0] / depth[ahead]
        y = camera.cy - camera.fy * local[ahead, 1] / depth[ahead]
        seen = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
        if seen.sum() >= 10:
            least = min(least, float(np.percentile(depth[ahead][seen], 0.5)))
    return _NEAR_OF_POINTS * least if np.isfinite(least) else _NEAR
