"""Captures with COLMAP's poses: the Mip-NeRF 360 data set, and your own in the same layout.

    <root>/<family>/<name>/images, images_2, images_4, …
    <root>/<family>/<name>/sparse/0/cameras.bin, images.bin, points3D.bin (or .txt)

Every 8th image, in the order of names, is for testing, the others are for training (Barron et al.
2022). Poses are put upright around the point that the cameras look at, the median camera at
distance 1 (`effbench.scene.normalise`).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Literal

from effbench.errors import SceneError
from effbench.scene import Intrinsics, Scene, SceneEntry, SceneSource, Views, manifest
from effbench.scene.colmap import Lens, find_model, read_model
from effbench.scene.lazy import Lazy
from effbench.scene.normalise import similarity
from effbench.scene.readers import (
    box_downscale,
    check_downscale,
    decode_image,
    fail,
    read_bytes,
)
from effbench.scene.undistortion import Resampling, resampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

STANDARD = (
    "bicycle",
    "bonsai",
    "counter",
    "flowers",
    "garden",
    "kitchen",
    "room",
    "stump",
    "treehill",
)
_INDOOR = (
    "bonsai",
    "counter",
    "kitchen",
    "room",
)  # evaluated at half size, the others at a quarter
_HOLD = 8  # every so many views one is held out
_NEAR_OF_POINTS, _NEAR = 0.55, 0.2  # of the least depth of a point; without points, in units
_FAR = 1e3
_INNER = 1.0  # half side of what is not contracted: what the cameras stand around
_SUFFIXES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
_MOST_MISSING = 0.5  # of the images: more is a wrong folder
_SET_ROOT = "set EFFBENCH_SCENES or pass --scenes-root"


@dataclass(frozen=True)
class ColmapConfig:
    """How a capture is read."""

    images: str = ""  # folder of images; empty: the data set's standard one, or what is there
    downscale: int = 1  # integer factor on both sides, besides; must divide them
    box: float = 4.0  # half side of what is modelled, in median distances of the cameras
    split: Literal["test", "val"] = "test"  # val: every 8th training view, which are not trained on


class MipNerf360(SceneSource):
    """Scenes of Mip-NeRF 360: photographs all around something, with its surroundings."""

    family = "mipnerf360"
    Config = ColmapConfig
    standard: ClassVar[tuple[str, ...]] = STANDARD

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/<family>`, then the standard scenes that are not there."""
        reason = f"not found below {root / self.family}: {_SET_ROOT}" if root else _SET_ROOT
        found = _found(root, self.family)
        missing = [name for name in self.standard if name not in found]
        return [
            *(SceneEntry(name, "capture with COLMAP's poses") for name in found),
            *(SceneEntry(name, "Mip-NeRF 360 capture", False, reason) for name in missing),
        ]

    def load(self, name: str, root: Path | None, config: ColmapConfig) -> Scene:
        """Load `family/name`. Raises SceneError naming file, fault and remedy."""
        return _Loader(self.family, name, root, config).scene()

    def manifest(self, name: str, root: Path | None, config: ColmapConfig) -> str:
        """Return the manifest of `load`, from hashes of the files alone."""
        return _Loader(self.family, name, root, config).manifest()


class Colmap(MipNerf360):
    """Captures of one's own with a sparse model of COLMAP."""

    family = "colmap"
    standard: ClassVar[tuple[str, ...]] = ()


def _found(root: Path | None, family: str) -> list[str]:
    if root is None:
        return []
    return sorted(path.parent.name for path in (root / family).glob("*/sparse"))


class _Loader:
    """Reads one capture's files once each, hashing what it reads."""

    def __init__(self, family: str, name: str, root: Path | None, config: ColmapConfig) -> None:
        if root is None:
            raise fail(f"{family}/{name}", "no folder of scenes is known", _SET_ROOT)
        self.name = f"{family}/{name}"
        self.folder = root / family / name
        if not self.folder.is_dir():
            found = ", ".join(_found(root, family)) or "none"
            wrong = f"there is no such folder (scenes beside it: {found})"
            raise fail(self.folder, wrong, f"put the scene there, or {_SET_ROOT}")
        if not 0 < config.box < 1e6:
            raise fail(self.name, f"box={config.box} is no half side", "write a positive number")
        self.config = config
        self.sparse = find_model(self.folder)
        self.model = read_model(self.sparse)
        self.images = self._image_folder(name)
        self.files, self.notes = self._present()

    def scene(self) -> Scene:
        order = sorted(self.files)  # places in the model, whose names are sorted
        images, camera = self._decode(order)
        poses = self.model.poses[order]
        put = similarity(poses)
        placed, points = put.of_poses(poses), put.of_points(self.model.points)
        train, test = _split(len(order), self.config.split)
        names = [self.model.names[place] for place in order]
        if not train or not test:
            wrong = f"{len(order)} images are too few to hold out every {_HOLD}th"
            raise fail(self.images, wrong, "capture more, or copy the missing ones")

        def views(places: list[int]) -> Views:
            chosen = tuple(names[place] for place in places)
            return Views(images[places], placed[places].astype(np.float32), camera, chosen)

        half = self.config.box
        return Scene(
            name=self.name,
            train=views(train),
            test=views(test),
            near=_near(placed[train], camera, points),
            far=_FAR,
            box=np.array([[-half] * 3, [half] * 3], np.float32),
            manifest=self.manifest(),
            opaque=True,
            inner=np.array([[-_INNER] * 3, [_INNER] * 3], np.float32),
            notes=tuple(self.notes),
        )

    def manifest(self) -> str:
        paths = [path for path in sorted(self.sparse.iterdir()) if path.suffix in (".bin", ".txt")]
        paths += [path for _, path in sorted(self.files.items())]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            hashes = pool.map(lambda path: manifest.sha256(read_bytes(path)), paths)
            named = (path.relative_to(self.folder).as_posix() for path in paths)
            return manifest.digest(dict(zip(named, hashes, strict=True)))

    def _image_folder(self, name: str) -> Path:
        """Return the folder that is asked for, the standard one, or that of the largest images."""
        if self.config.images:
            chosen = self.folder / self.config.images
            if not chosen.is_dir():
                there = ", ".join(self._folders()) or "none"
                raise fail(chosen, "there is no such folder", f"name one of these: {there}")
            return chosen
        standard = ["images_2" if name in _INDOOR else "images_4"] if name in STANDARD else []
        for folder in [*standard, *self._folders()]:
            if (self.folder / folder).is_dir():
                return self.folder / folder
        wrong = "has no folder images, images_2, …"
        raise fail(self.folder, wrong, "put the photographs into one of that name")

    def _folders(self) -> list[str]:
        """Return the folders of images, the largest images first."""
        numbered = sorted(
            (int(suffix), path.name)
            for path in self.folder.glob("images_*")
            if path.is_dir() and (suffix := path.name.removeprefix("images_")).isdecimal()
        )
        whole = ["images"] if (self.folder / "images").is_dir() else []
        return [*whole, *(name for _, name in numbered)]

    def _present(self) -> tuple[dict[int, Path], list[str]]:
        """Return the files of the model's images by place, and notes on those that are not there.

        Copies of a smaller size may have another suffix, or names of their own in the same order.
        """
        names = self.model.names
        found = {place: path for place, name in enumerate(names) if (path := self._file(name))}
        copies = sorted(p for p in self.images.rglob("*") if p.suffix in _SUFFIXES)
        if not found and len(copies) == len(names):
            found = dict(enumerate(copies))
        missing = len(names) - len(found)
        if missing > _MOST_MISSING * len(names):
            example = next(name for place, name in enumerate(names) if place not in found)
            wrong = f"{missing} of {len(names)} images are not there, such as {example}"
            raise fail(self.images, wrong, "copy the images that the model is of")
        notes = [f"{missing} images of the model are not there"] if missing else []
        if unregistered := len(copies) - len(set(copies) & set(found.values())):
            notes.append(f"{unregistered} images have no pose and are left out")
        return found, notes

    def _file(self, name: str) -> Path | None:
        """Return the file of an image, if it is there, inside the folder of images."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or ".." in parts or parts[0] == "/":
            raise fail(self.sparse, f"the image {name!r} lies outside the scene", "rename it")
        path = self.images.joinpath(*parts)
        others = (path.with_suffix(suffix) for suffix in _SUFFIXES)
        return next((each for each in (path, *others) if each.is_file()), None)

    def _decode(self, order: list[int]) -> tuple[NDArray[np.uint8], Intrinsics]:
        """Return the images of a common pinhole, uint8 [V, h, w, 3], and that camera downscaled."""
        first = self._read(self.files[order[0]])
        height, width = first.shape[:2]
        factor = self.config.downscale
        check_downscale(self.images, width, height, factor)
        pinhole = _scaled(self._lens(order[0]), width, height)
        maps = self._maps(order, pinhole)
        images = np.empty((len(order), height // factor, width // factor, 3), np.uint8)

        def decode(index: int) -> None:
            image = self._read(self.files[order[index]])
            if image.shape != first.shape:
                wrong = f"is {image.shape[1]}×{image.shape[0]}, the first image {width}×{height}"
                raise fail(self.files[order[index]], wrong, "use images of one size")
            warp = maps[self.model.cameras[order[index]]]
            images[index] = box_downscale(warp(image) if warp else image, factor)

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
            list(pool.map(decode, range(len(order))))
        small = Intrinsics(
            *(width // factor, height // factor),
            *(value / factor for value in (pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy)),
        )
        return images, small

    def _lens(self, place: int) -> Lens:
        return self.model.lenses[self.model.cameras[place]]

    def _maps(self, order: list[int], pinhole: Intrinsics) -> dict[int, Resampling | None]:
        """Return by camera how its images become the pinhole's, and note what that moves."""
        used = dict.fromkeys(self.model.cameras[place] for place in order)
        maps = {}
        for number in used:
            lens = self.model.lenses[number]
            own = _scaled(lens, pinhole.width, pinhole.height)
            maps[number] = resampling(own, lens.distortion, pinhole)
        moved = [warp for warp in maps.values() if warp]
        if moved:
            self.notes.append(
                f"images of {len(moved)} of {len(maps)} lenses are resampled onto one pinhole: "
                f"pixels move by up to {max(w.largest_move for w in moved):.1f} px, "
                f"{max(w.outside for w in moved):.1%} lie beyond the image"
            )
        return maps

    def _read(self, path: Path) -> NDArray[np.uint8]:
        return decode_image(path, read_bytes(path))[..., :3]


def _scaled(lens: Lens, width: int, height: int) -> Intrinsics:
    """Return a lens' pinhole for images of another size, each axis by its own ratio."""
    x, y = width / lens.width, height / lens.height
    if not 0.8 < x / y < 1.25:
        raise SceneError(
            f"the camera was calibrated at {lens.width}×{lens.height}, the images are "
            f"{width}×{height}: another shape. To fix it, use the images that the model is of"
        )
    return Intrinsics(width, height, lens.fx * x, lens.fy * y, lens.cx * x, lens.cy * y)


def _split(count: int, evaluated: str) -> tuple[list[int], list[int]]:
    """Return the places of training and of evaluated views."""
    test = list(range(0, count, _HOLD))
    train = [place for place in range(count) if place % _HOLD]
    if evaluated == "test":
        return train, test
    held = train[_HOLD // 2 :: _HOLD]
    return [place for place in train if place not in held], held


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
