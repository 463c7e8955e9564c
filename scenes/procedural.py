"""Scenes made by code: ray-traced on first use, then kept in the user's cache folder.

Bounds and cameras follow NeRF-synthetic: radius 4.03 on the upper hemisphere, looking at the
origin, near and far 2 and 6. Everything lies within ±1.2 (see `effbench.scene.raytrace.designs`).

Scenes that move (`effbench.scene.raytrace.motions`) are seen as in D-NeRF: one camera at each time
unless `cameras` says otherwise, which jumps around the scene from one time to the next.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from effbench.errors import EffbenchError
from effbench.files import cache_folder, write_bytes
from effbench.scene import Intrinsics, Scene, SceneEntry, SceneSource, Views, manifest
from effbench.scene.lazy import Lazy
from effbench.scene.raytrace.designs import DESIGNS
from effbench.scene.raytrace.motions import MOTIONS
from effbench.scene.readers import box_downscale, check_downscale, fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

VERSION = 1  # of the generator: increase it whenever a pixel or a pose changes
NEAR, FAR, BOX = 2.0, 6.0, 1.5  # world units
FIELD_OF_VIEW = 0.6911112  # radians, horizontal and vertical
RADIUS = 4.031  # of the sphere of cameras, world units
LOWEST, HIGHEST = 0.03, 0.97  # height of a camera / RADIUS: not below the floor, not at the pole
_MANIFESTS = Path(__file__).parent / "manifests"  # of the default configuration
_TRAIN_START, _TEST_START = (0.5, 0.5), (0.03, 0.28)  # of the two splits' sequences of cameras
# What numpy and zipfile raise for an archive with any byte changed or cut off.
_DAMAGED = (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile)


@dataclass(frozen=True)
class ProceduralConfig:
    """How a scene is drawn. Fewer views are the first ones of more."""

    size: int = 128  # pixels per side, before downscaling
    train_views: int = 100
    test_views: int = 25
    downscale: int = 1  # integer factor on both sides; must divide the size
    cameras: int = 1  # training views at each time, of a scene that moves


class _Split(NamedTuple):
    images: NDArray[np.uint8]
    poses: NDArray[np.float32]


class Procedural(SceneSource):
    """Ray-traced scenes that need no download."""

    family = "procedural"
    Config = ProceduralConfig

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List the designs; `root` is not used."""
        del root
        still = [SceneEntry(name, _summary(design.__doc__)) for name, design in DESIGNS.items()]
        return still + [
            SceneEntry(name, _summary(motion.__doc__), moves=True)
            for name, motion in MOTIONS.items()
        ]

    def load(self, name: str, root: Path | None, config: ProceduralConfig) -> Scene:
        """Make or fetch `procedural/name`. Raises SceneError for a design or size that is none."""
        del root
        scene = f"{self.family}/{name}"
        _check(scene, name, config)
        (train, test), notes = _cached(name, config)
        times = _times(config) if name in MOTIONS else (None, None)
        views = (_views("train", train, times[0], config), _views("test", test, times[1], config))
        total, side = manifest.views_digest(*views), views[0].intrinsics.width
        return Scene(
            name=scene,
            train=views[0],
            test=views[1],
            near=NEAR,
            far=FAR,
            box=np.array([[-BOX] * 3, [BOX] * 3], np.float32),
            manifest=total,
            verified=manifest.matches(_MANIFESTS, scene, side, side, total),
            notes=notes,
        )


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().splitlines()[0].rstrip(".")


def _check(scene: str, name: str, config: ProceduralConfig) -> None:
    if name not in DESIGNS and name not in MOTIONS:
        known = ", ".join((*DESIGNS, *MOTIONS))
        raise fail(scene, "there is no such design", f"choose one of {known}")
    if min(config.train_views, config.test_views) < 1:
        wrong = f"{config.train_views} train and {config.test_views} test views"
        raise fail(scene, wrong, "ask for at least one of each")
    if name in MOTIONS and not 1 <= config.cameras <= config.train_views // 2:
        wrong = f"{config.train_views} train views of {config.cameras} at each time"
        raise fail(scene, wrong, "ask for one or more at each of at least two times")
    if name in DESIGNS and config.cameras != 1:
        wrong = f"cameras={config.cameras}, but nothing moves"
        raise fail(scene, wrong, "leave it out, and say how many by train_views")
    check_downscale(scene, config.size, config.size, config.downscale)


def _times(config: ProceduralConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the times of both splits, float32 [V]: of training evenly from 0 to 1, `cameras` views
    at each; of test in the middle between others, which training has not seen."""
    count, tests = -(-config.train_views // config.cameras), config.test_views
    train = np.arange(config.train_views) // config.cameras / (count - 1)
    return train.astype(np.float32), ((np.arange(tests) + 0.5) / tests).astype(np.float32)


def _views(
    label: str, split: _Split, times: NDArray[np.float32] | None, config: ProceduralConfig
) -> Views:
    """Return a drawn split, downscaled, with its camera, names and times."""
    images = np.stack([box_downscale(image, config.downscale) for image in split.images])
    camera = _camera(config.size // config.downscale)
    names = tuple(f"{label}_{i}" for i in range(len(images)))
    return Views(images, split.poses, camera, names, times)


def _camera(size: int) -> Intrinsics:
    focal = 0.5 * size / math.tan(0.5 * FIELD_OF_VIEW)
    return Intrinsics(size, size, focal, focal, size / 2, size / 2)


def _draw(name: str, config: ProceduralConfig) -> tuple[_Split, _Split]:
    """Ray-trace both splits."""
    # numba: too slow to import for a listing
    from effbench.scene.raytrace.render import render, render_frames

    camera = _camera(config.size)
    poses = (
        camera_poses(config.train_views, _TRAIN_START),
        camera_poses(config.test_views, _TEST_START),
    )
    if name in DESIGNS:
        shapes = DESIGNS[name]()
        train, test = (_Split(render(shapes, each, camera), each) for each in poses)
        return train, test
    train, test = (
        _Split(render_frames([MOTIONS[name](float(t)) for t in times], each, camera), each)
        for times, each in zip(_times(config), poses, strict=True)
    )
    return train, test


def camera_poses(count: int, start: tuple[float, float]) -> NDArray[np.float32]:
    """Return cameras spread evenly over the upper hemisphere: float32 [count, 3, 4].

    The additive R2 sequence (Roberts 2018, "The Unreasonable Effectiveness of Quasirandom
    Sequences") from `start` in [0, 1)²; heights are uniform, as they are on a sphere's area.
    """
    plastic = 1.32471795724474602596
    index = np.arange(count)
    height = LOWEST + (HIGHEST - LOWEST) * ((start[0] + index / plastic) % 1)
    azimuth = 2 * np.pi * ((start[1] + index / plastic**2) % 1)
    across = np.sqrt(1 - height**2)
    back = np.stack([across * np.cos(azimuth), across * np.sin(azimuth), height], -1)
    right = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros(count)], -1)
    axes = [right, np.cross(back, right), back, RADIUS * back]  # x, y, z and place of the camera
    return np.stack(axes, -1).astype(np.float32)


def _cached(name: str, config: ProceduralConfig) -> tuple[tuple[_Split, _Split], tuple[str, ...]]:
    """Return both splits, from the cache if they are there, and what went wrong with it."""
    path = _cache_path(name, config)
    notes = []
    if path.exists():
        try:
            return _read(path), ()
        except _DAMAGED as error:
            notes.append(f"{path} could not be read ({error}) and was made again")
    splits = _draw(name, config)
    try:
        _write(path, *splits)
    except EffbenchError as error:
        notes.append(f"the scene is drawn anew in each run: {error}")
    return splits, tuple(notes)


def _cache_path(name: str, config: ProceduralConfig) -> Path:
    """Return where the drawn scene is kept; its name depends on all that decides its pixels."""
    drawn = (VERSION, name, config.size, config.train_views, config.test_views)
    if name in MOTIONS:
        drawn += (config.cameras,)  # type: ignore[assignment]
    key = hashlib.sha256(repr(drawn).encode()).hexdigest()[:16]
    return cache_folder() / "scenes" / f"procedural-{name}-{key}.npz"


def _write(path: Path, train: _Split, test: _Split) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, *train, *test)
    write_bytes(path, buffer.getvalue())


def _read(path: Path) -> tuple[_Split, _Split]:
    """Read what `_write` wrote. Raises one of _DAMAGED when a checksum or a part is wrong."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        parts = [stored[f"arr_{index}"] for index in range(4)]
    return _Split(*parts[:2]), _Split(*parts[2:])
