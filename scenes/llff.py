"""Captures with a `poses_bounds.npy`, as LLFF makes them: photographs that face one way.

    <root>/llff/<name>/poses_bounds.npy
    <root>/llff/<name>/images, images_4, images_8, …

Every 8th image, in the order of names, is for testing, the others are for training (Mildenhall et
al. 2020). Poses are put upright around the point that the cameras look at, the median camera at
distance 1 (`effbench.scene.normalise`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from effbench.scene import Scene, SceneEntry, SceneSource
from effbench.scene.captures import SUFFIXES, Capture, CaptureConfig, digest, to_scene
from effbench.scene.image_folders import image_folder
from effbench.scene.lazy import Lazy
from effbench.scene.poses_bounds import FILE, read_poses_bounds
from effbench.scene.readers import scene_entries, scene_folder

np = Lazy("numpy")

STANDARD = ("fern", "flower", "fortress", "horns", "leaves", "orchids", "room", "trex")
_PUBLISHED = "images_4"  # figures are of a quarter of the size


@dataclass(frozen=True)
class LlffConfig(CaptureConfig):
    images: str = ""  # folder of images; empty: the data set's standard one, or the largest


class Llff(SceneSource):
    """Scenes of LLFF: photographs from about one side, with the depths that they show."""

    family = "llff"
    captures = True
    Config = LlffConfig

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/llff`, then the standard scenes that are not there."""
        found, standard = (dict.fromkeys(n, "LLFF capture") for n in (_found(root), STANDARD))
        return scene_entries(root, self.family, found, standard)

    def load(self, name: str, root: Path | None, config: LlffConfig) -> Scene:
        """Load `llff/name`. Raises SceneError naming file, fault and remedy."""
        capture = self._capture(name, root, config)
        return to_scene(capture, config, [capture.folder / FILE])

    def manifest(self, name: str, root: Path | None, config: LlffConfig) -> str:
        """Return the manifest of `load`, from hashes of the files alone."""
        capture = self._capture(name, root, config)
        return digest(capture, [capture.folder / FILE])

    def _capture(self, name: str, root: Path | None, config: LlffConfig) -> Capture:
        folder = scene_folder(root, self.family, name, _found(root))
        images = image_folder(folder, config.images, _PUBLISHED if name in STANDARD else "")
        files = sorted(path for path in images.iterdir() if path.suffix in SUFFIXES)
        shots, nearest = read_poses_bounds(folder, files)
        points = np.empty((0, 3))
        return Capture(f"{self.family}/{name}", folder, shots, points, nearest=nearest)


def _found(root: Path | None) -> list[str]:
    if root is None:
        return []
    return sorted(path.parent.name for path in root.glob(f"llff/*/{FILE}"))
