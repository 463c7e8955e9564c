"""Captures: posed photographs of a place, made a scene of one pinhole, put upright.

What formats share once images, lenses and poses are read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from effbench.scene import manifest
from effbench.scene.contract import Intrinsics, Scene, Views
from effbench.scene.lazy import Lazy
from effbench.scene.normalise import similarity
from effbench.scene.readers import box_downscale, check_downscale, decode_image, fail, read_bytes
from effbench.scene.undistortion import Lens, Resampling, resampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

SUFFIXES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")

_HOLD = 8  # every so many views one is held out
_NEAR_OF_POINTS, _NEAR = 0.55, 0.2  # of the least depth of a point; without points, in units
_FAR = 1e3
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
    images, camera, note = _Images(capture, config.downscale).read()
    poses = np.stack([shot.pose for shot in capture.shots])
    put = similarity(poses)
    placed = put.of_poses(poses)
    train, test = _split(capture, config.split)
    if not train or not test:
        wrong = f"{len(poses)} images are too few to hold out every {_HOLD}th"
        raise fail(capture.folder, wrong, "capture more, or copy the missing ones")

    def views(places: list[int]) -> Views:
        names = tuple(capture.shots[place].name for place in places)
        return Views(images[places], placed[places].astype(np.float32), camera, names)

    half = config.box
    near = _near(placed[train], camera, put.of_points(capture.points))
    if capture.nearest is not None:
        near = _NEAR_OF_POINTS * put.scale * float(capture.nearest[train].min())
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
        notes=(*capture.notes, *note),
    )


def digest(capture: Capture, files: Sequence[Path]) -> str:
    """Return the manifest of a capture: of its images and of other files."""
    paths = [*files, *(shot.path for shot in capture.shots)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(lambda path: manifest.sha256(read_bytes(path)), paths)
        named = (path.relative_to(capture.folder).as_posix() for path in paths)
        return manifest.digest(dict(zip(named, hashes, strict=True)))


class _Images:
    """Reads a capture's images as those of one pinhole."""

    def __init__(self, capture: Capture, factor: int) -> None:
        self._capture, self._factor = capture, factor

    def read(self) -> tuple[NDArray[np.uint8], Intrinsics, tuple[str, ...]]:
        """Return the images, uint8 [V, h, w, 3], their camera, and a note on what was moved."""
        shots, factor = self._capture.shots, self._factor
        first = _rgb(shots[0].path)
        height, width = first.shape[:2]
        check_downscale(self._capture.folder, width, height, factor)
        pinhole = shots[0].lens.at_size(width, height)
        lenses = dict.fromkeys(shot.lens for shot in shots)
        warps = {
            lens: resampling(lens.at_size(width, height), lens.distortion, pinhole)
            for lens in lenses
        }
        images = np.empty((len(shots), height // factor, width // factor, 3), np.uint8)

        def decode(index: int) -> None:
            shot = shots[index]
            image = _rgb(shot.path)
            if image.shape != first.shape:
                wrong = f"is {image.shape[1]}×{image.shape[0]}, the first image {width}×{height}"
                raise fail(shot.path, wrong, "use images of one size")
            warp = warps[shot.lens]
            images[index] = box_downscale(warp(image) if warp else image, factor)

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
            list(pool.map(decode, range(len(shots))))
        small = Intrinsics(
            *(width // factor, height // factor),
            *(value / factor for value in (pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy)),
        )
        return images, small, _moved(warps.values())


def _rgb(path: Path) -> NDArray[np.uint8]:
    return decode_image(path, read_bytes(path))[..., :3]


def _moved(warps: Collection[Resampling | None]) -> tuple[str, ...]:
    """Return a note on images that were resampled."""
    moved = [warp for warp in warps if warp]
    if not moved:
        return ()
    return (
        f"images of {len(moved)} of {len(warps)} lenses are resampled onto one pinhole: "
        f"pixels move by up to {max(w.largest_move for w in moved):.1f} px, "
        f"{max(w.outside for w in moved):.1%} lie beyond the image",
    )


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


def _near(poses: NDArray[np.float64], camera: Intrinsics, points: NDArray[np.float64]) -> float:
    """Return where rays begin: before the nearest point that any training camera sees."""
    least = np.inf
    for pose in poses:
        local = (points - pose[:, 3]) @ pose[:, :3]
        depth = -local[:, 2]
        ahead = depth > 1e-6
        x = camera.cx + camera.fx * local[ahead, 0] / depth[ahead]
        y = camera.cy - camera.fy * local[ahead, 1] / depth[ahead]
        seen = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
        if seen.sum() >= 10:
            least = min(least, float(np.percentile(depth[ahead][seen], 0.5)))
    return _NEAR_OF_POINTS * least if np.isfinite(least) else _NEAR
