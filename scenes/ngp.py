"""Captures with a `transforms.json`, as instant-ngp's scripts and nerfstudio write them.

    <root>/ngp/<name>/transforms.json
    <root>/ngp/<name>/images/0001.jpg …

Every 8th image, in the order of names, is for testing, unless the file lists a test split. Poses
are put upright around the point that the cameras look at, the median camera at distance 1
(`effbench.scene.normalise`).
"""

from __future__ import annotations

from pathlib import Path

from effbench.scene import Scene, SceneEntry, SceneSource
from effbench.scene.captures import Capture, CaptureConfig, digest, to_scene
from effbench.scene.lazy import Lazy
from effbench.scene.readers import scene_entries, scene_folder
from effbench.scene.transforms import FILE, read_transforms

np = Lazy("numpy")


class Transforms(SceneSource):
    """Captures with a transforms.json: instant-ngp's fox, and your own from its scripts."""

    family = "ngp"
    captures = True
    Config = CaptureConfig

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/ngp`, then the fox if it does not."""
        found = dict.fromkeys(_found(root), f"capture with a {FILE}")
        return scene_entries(root, self.family, found, {"fox": "instant-ngp's example"})

    def load(self, name: str, root: Path | None, config: CaptureConfig) -> Scene:
        """Load `ngp/name`. Raises SceneError naming file, fault and remedy."""
        capture = self._capture(name, root)
        return to_scene(capture, config, [capture.folder / FILE])

    def manifest(self, name: str, root: Path | None, config: CaptureConfig) -> str:
        """Return the manifest of `load`, from hashes of the files alone."""
        capture = self._capture(name, root)
        return digest(capture, [capture.folder / FILE])

    def _capture(self, name: str, root: Path | None) -> Capture:
        folder = scene_folder(root, self.family, name, _found(root))
        shots, notes, held = read_transforms(folder)
        points = np.empty((0, 3))
        return Capture(f"{self.family}/{name}", folder, shots, points, notes, held)


def _found(root: Path | None) -> list[str]:
    if root is None:
        return []
    return sorted(path.parent.name for path in root.glob(f"ngp/*/{FILE}"))
