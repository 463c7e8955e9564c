"""D-NeRF's format: `<root>/dnerf/<name>`, Blender's with a time from 0 to 1 for every frame.

One camera at each time, which jumps around the scene. Near and far, background and splits are those
of NeRF-synthetic; the box is ±1.5, since silhouettes of different times bound nothing together
(Pumarola et al., CVPR 2021; nerfstudio's parser of it reads the same files).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from effbench.scene import Scene, SceneEntry, SceneSource, Views, manifest
from effbench.scene.blender import BOX, FAR, NEAR, BlenderConfig, BlenderFolder, notes
from effbench.scene.lazy import Lazy
from effbench.scene.readers import fail, scene_entries, scene_folder
from effbench.scene.times import read_times

if TYPE_CHECKING:
    import numpy as np
else:
    np = Lazy("numpy")

STANDARD = (
    *("bouncingballs", "hellwarrior", "hook", "jumpingjacks"),
    *("lego", "mutant", "standup", "trex"),
)
_LEGO = (
    "the bucket of lego's test split stands elsewhere than in training at the same times: figures "
    "of it say little; others evaluate its val split (split=val)"
)


@dataclass(frozen=True)
class DNeRFConfig:
    """How a scene is read. D-NeRF's own figures are of 400×400, NerfAcc's of 800×800 pixels."""

    downscale: int = 1  # integer factor on both sides; must divide them
    size: int = 0  # width in pixels to come down to, in place of downscale; 0: as downscale says
    split: Literal["test", "val"] = "test"  # what is evaluated; val is for tuning, and for lego


class DNeRF(SceneSource):
    """Scenes of D-NeRF, which move, and one's own in the same format."""

    family = "dnerf"
    Config = DNeRFConfig

    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List what lies below `<root>/dnerf`, then the standard scenes not there."""
        found, standard = (dict.fromkeys(n, "D-NeRF scene") for n in (_found(root), STANDARD))
        entries = scene_entries(root, self.family, found, standard)
        return [replace(entry, moves=True) for entry in entries]

    def load(self, name: str, root: Path | None, config: DNeRFConfig) -> Scene:
        """Load `dnerf/name`. Raises SceneError naming file, fault and remedy."""
        folder = scene_folder(root, self.family, name, _found(root))
        reader = BlenderFolder(folder, _as_blender(config))
        splits = ("train", config.split)
        given = {
            folder / f"transforms_{split}.json": reader.transforms(split).times for split in splits
        }
        times, about = read_times(given)
        train, test = (
            replace(reader.views(split), times=at) for split, at in zip(splits, times, strict=True)
        )
        _check_apart(folder, train, test, config.split)
        height, width = reader.shape[:2]
        return Scene(
            name=f"{self.family}/{name}",
            train=train,
            test=test,
            near=NEAR,
            far=FAR,
            box=np.array([[-BOX] * 3, [BOX] * 3], np.float32),
            manifest=manifest.digest(reader.files),
            notes=(
                *about,
                *_notes(name, config, width, height),
                *notes((*train.names, *test.names)),
            ),
        )

    def manifest(self, name: str, root: Path | None, config: DNeRFConfig) -> str:
        """Return the manifest of `load`, from hashes of the files alone."""
        folder = scene_folder(root, self.family, name, _found(root))
        reader = BlenderFolder(folder, _as_blender(config))
        for split in ("train", config.split):
            reader.hash_files(split)
        return manifest.digest(reader.files)


def _as_blender(config: DNeRFConfig) -> BlenderConfig:
    return BlenderConfig(config.downscale, config.size, "fixed", config.split)


def _found(root: Path | None) -> list[str]:
    """Return the names of the scenes below `root`, sorted."""
    if root is None:
        return []
    return sorted(path.parent.name for path in root.glob("dnerf/*/transforms_train.json"))


def _check_apart(folder: Path, train: Views, test: Views, split: str) -> None:
    """Raise SceneError for a test view that is a training view: the same file, or one from the same
    place at the same time."""
    assert train.times is not None
    assert test.times is not None
    seen = {_where(train, i): name for i, name in enumerate(train.names)}
    for index, name in enumerate(test.names):
        twin = name if name in train.names else seen.get(_where(test, index))
        if twin is not None:
            wrong = (
                f"the {split} view {name} is training view {twin}: one file, or one place and time"
            )
            remedy = "leave one of them out of its split, or download the scene again"
            raise fail(folder / f"transforms_{split}.json", wrong, remedy)


def _where(views: Views, index: int) -> tuple[bytes, float]:
    assert views.times is not None
    return (views.poses[index].round(5) + 0.0).tobytes(), round(float(views.times[index]), 5)


def _notes(name: str, config: DNeRFConfig, width: int, height: int) -> Sequence[str]:
    """Return notes on what makes figures of published scenes incomparable."""
    if name not in STANDARD:
        return ()
    found = [_LEGO] if name == "lego" and config.split == "test" else []
    factor = width // config.size if config.size else config.downscale
    shown = f"{width // factor}×{height // factor}"
    found.append(f"of {shown} pixels; D-NeRF's own figures are of 400×400, NerfAcc's of 800×800")
    return found
