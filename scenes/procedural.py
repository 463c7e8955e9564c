"""Scenes made by code: ray-traced on first use, then kept in the user's cache folder.

Bounds and cameras follow NeRF-synthetic: radius 4.03 on the upper hemisphere, looking at the
origin, near and far 2 and 6. Everything lies within ±1.2 (see `effbench.scene.raytrace.designs`).
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
        return [SceneEntry(name, _summary(design.__doc__)) for name, design in DESIGNS.items()]

    def load(self, name: str, root: Path | None, config: ProceduralConfig) -> Scene:
        """Make or fetch `procedural/name`. Raises SceneError for a design or size that is none."""
        del root
        scene = f"{self.family}/{name}"
        _check(scene, name, config)
        (train, test), notes = _cached(name, config)
        views = (_views("train", train, config), _views("test", test, config))
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
    if name not in DESIGNS:
        raise fail(scene, "there is no such design", f"choose one of {', '.join(DESIGNS)}")
    if min(config.train_views, config.test_views) < 1:
        wrong = f"{config.train_views} train and {config.test_views} test views"
        raise fail(scene, wrong, "ask for at least one of each")
    check_downscale(scene, config.size, config.size, config.downscale)


def _views(label: str, split: _Split, config: ProceduralConfig) -> Views:
    """Return a drawn split, downscaled, with its camera and names."""
    images = np.stack([box_downscale(image, config.downscale) for image in split.images])
    camera = _camera(config.size // config.downscale)
    return Views(images, split.poses, camera, tuple(f"{label}_{i}" for i in range(len(images))))


def _camera(size: int) -> Intrinsics:
    focal = 0.5 * size / math.tan(0.5 * FIELD_OF_VIEW)
    return Intrinsics(size, size, focal, focal, size / 2, size / 2)


def _draw(name: str, config: ProceduralConfig) -> tuple[_Split, _Split]:
    """Ray-trace both splits."""
    from effbench.scene.raytrace.render import render  # numba: too slow to import for a listing

    shapes, camera = DESIGNS[name](), _camera(config.size)
    train = camera_poses(config.train_views, _TRAIN_START)
    test = camera_poses(config.test_views, _TEST_START)
    return _Split(render(shapes, train, camera), train), _Split(render(shapes, test, camera), test)


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
