"""Captures with COLMAP's poses: the Mip-NeRF 360 data set, and your own in the same layout.

    <root>/<family>/<name>/images, images_2, images_4, …
    <root>/<family>/<name>/sparse/0/cameras.bin, images.bin, points3D.bin (or .txt)

Every 8th image, in the order of names, is for testing, the others are for training (Barron et al.
2022). Poses are put upright around the point that the cameras look at, the median camera at
distance 1 (`effbench.scene.normalise`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from effbench.scene import Scene, SceneEntry, SceneSource
from effbench.scene.captures import SUFFIXES, Capture, CaptureConfig, Shot, digest, to_scene
from effbench.scene.colmap import find_model, read_model
from effbench.scene.image_folders import image_folder
from effbench.scene.readers import fail, first_file, scene_entries, scene_folder

STANDARD = (
    *("bicycle", "bonsai", "counter", "flowers", "garden", "kitchen", "room", "stump"),
    "treehill",
)
_INDOOR = (
    "bonsai",
    "counter",
    "kitchen",
    "room",
)  # evaluated at half size, the others at a quarter
_MOST_MISSING = 0.5  # of the images: more is a wrong folder


@dataclass(frozen=True)
class ColmapConfig(CaptureConfig):
    images: str = ""  # folder of images; empty: the data set's standard one, or the largest


class MipNerf360(SceneSource):
    """Scenes of Mip-NeRF 360: photographs all around something, with its surroundings."""

    family = "mipnerf360"
    captures = True
    Config = ColmapConfig
    standard: ClassVar[tuple[str, ...]] = STANDARD
    description: ClassVar[str] = "Mip-NeRF 360 capture"

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/<family>`, then the standard scenes that are not there."""
        found = dict.fromkeys(_found(root, self.family), self.description)
        standard = dict.fromkeys(self.standard, self.description)
        return scene_entries(root, self.family, found, standard)

    def load(self, name: str, root: Path | None, config: ColmapConfig) -> Scene:
        """Load `family/name`. Raises SceneError naming file, fault and remedy."""
        reader = _Reader(self.family, name, root, config)
        return to_scene(reader.capture(), config, reader.model_files())

    def manifest(self, name: str, root: Path | None, config: ColmapConfig) -> str:
        """Return the manifest of `load`, from hashes of the files alone."""
        reader = _Reader(self.family, name, root, config)
        return digest(reader.capture(), reader.model_files())


class Colmap(MipNerf360):
    """Captures of one's own with a sparse model of COLMAP."""

    family = "colmap"
    description: ClassVar[str] = "capture with COLMAP's poses"
    standard: ClassVar[tuple[str, ...]] = ("your-scene",)

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/colmap`; for want of that, where to put something."""
        listed = super().entries(root)
        found = [entry for entry in listed if entry.available]
        return found or listed


def _found(root: Path | None, family: str) -> list[str]:
    if root is None:
        return []
    return sorted(path.parent.name for path in (root / family).glob("*/sparse"))


class _Reader:
    """Finds one capture's model and images."""

    def __init__(self, family: str, name: str, root: Path | None, config: ColmapConfig) -> None:
        self.name = f"{family}/{name}"
        self.folder = scene_folder(root, family, name, _found(root, family))
        self.sparse = find_model(self.folder)
        self.model = read_model(self.sparse)
        published = "images_2" if name in _INDOOR else "images_4"
        standard = published if name in STANDARD else ""
        self.images = image_folder(self.folder, config.images, standard)

    def capture(self) -> Capture:
        """Return the images that are there, with their lenses and poses."""
        model = self.model
        files, notes = self._present()
        shots = [
            Shot(model.names[place], path, model.lenses[model.cameras[place]], model.poses[place])
            for place, path in sorted(files.items())
        ]
        return Capture(self.name, self.folder, shots, model.points, notes)

    def model_files(self) -> list[Path]:
        return [path for path in sorted(self.sparse.iterdir()) if path.suffix in (".bin", ".txt")]

    def _present(self) -> tuple[dict[int, Path], list[str]]:
        """Return the files of the model's images by place, and notes on those that are not there.

        Copies of a smaller size may have another suffix, or names of their own in the same order.
        """
        names = self.model.names
        found = {place: path for place, name in enumerate(names) if (path := self._file(name))}
        copies = sorted(p for p in self.images.rglob("*") if p.suffix in SUFFIXES)
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
        others = (path.with_suffix(suffix) for suffix in SUFFIXES)
        return first_file((path, *others))
