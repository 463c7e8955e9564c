"""Blender's NeRF-synthetic format: `<root>/nerf_synthetic/<name>` with `transforms_*.json`.

Train on `transforms_train.json` alone and test on all of `transforms_test.json`, in the order
listed; near and far are 2 and 6, images keep their alpha and are composited onto white
(Mildenhall et al., ECCV 2020, "Realistic Synthetic 360°").
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from effbench.scene import Scene, SceneEntry, SceneSource, manifest
from effbench.scene.blender import BOX, FAR, NEAR, BlenderConfig, BlenderFolder, notes
from effbench.scene.lazy import Lazy
from effbench.scene.readers import scene_entries, scene_folder
from effbench.scene.visual_hull import hull_box

if TYPE_CHECKING:
    import numpy as np
else:
    np = Lazy("numpy")

STANDARD = ("chair", "drums", "ficus", "hotdog", "lego", "materials", "mic", "ship")
_MANIFESTS = Path(__file__).parent / "manifests"


class Blender(SceneSource):
    """Scenes of NeRF-synthetic, and one's own in the same format."""

    family = "nerf_synthetic"
    Config = BlenderConfig

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/nerf_synthetic`, then the standard scenes not there."""
        found, standard = (dict.fromkeys(n, "Blender scene") for n in (_found(root), STANDARD))
        return scene_entries(root, self.family, found, standard)

    def load(self, name: str, root: Path | None, config: BlenderConfig) -> Scene:
        """Load `nerf_synthetic/name`. Raises SceneError naming file, fault and remedy."""
        scene = f"{self.family}/{name}"
        folder = scene_folder(root, self.family, name, _found(root))
        loader = BlenderFolder(folder, config)
        train, test = (loader.views(split) for split in ("train", config.split))
        loader.check_apart(train, test, config.split)
        height, width = loader.shape[:2]
        published = config.split == "test" and manifest.verify(
            _MANIFESTS, scene, width, height, loader.files, folder
        )
        box = np.array([[-BOX] * 3, [BOX] * 3], np.float32)
        seen = loader.silhouettes
        return Scene(
            name=scene,
            train=train,
            test=test,
            near=NEAR,
            far=FAR,
            box=hull_box(seen, box) if seen is not None and config.box == "hull" else box,
            manifest=manifest.digest(loader.files),
            verified=published,
            notes=notes([*train.names, *test.names]),
        )

    def manifest(self, name: str, root: Path | None, config: BlenderConfig) -> str:
        """Return the manifest of `load`, from hashes of the files alone."""
        loader = BlenderFolder(scene_folder(root, self.family, name, _found(root)), config)
        for split in ("train", config.split):
            loader.hash_files(split)
        return manifest.digest(loader.files)


def _found(root: Path | None) -> list[str]:
    """Return the names of the Blender scenes below `root`, sorted."""
    if root is None:
        return []
    return sorted(path.parent.name for path in root.glob("nerf_synthetic/*/transforms_train.json"))
