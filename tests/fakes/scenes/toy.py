"""A scene of a few grey images, made in no time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from effbench.errors import SceneError
from effbench.scene import Intrinsics, Scene, SceneEntry, SceneSource, Views


@dataclass(frozen=True)
class ToyConfig:
    side: int = 16  # pixels
    test_views: int = 4
    downscale: int = 1


class Toy(SceneSource):
    """Grey images, the brighter the later the view."""

    family = "toy"
    Config = ToyConfig

    def entries(self, root: Path | None) -> list[SceneEntry]:
        return [
            SceneEntry("grey", "grey images"),
            SceneEntry("broken", "cannot be loaded"),
            SceneEntry("absent", "is not there", available=False, reason="it was lost"),
        ]

    def load(self, name: str, root: Path | None, config: ToyConfig) -> Scene:
        if name == "broken":
            raise SceneError("toy/broken: is broken on purpose: use toy/grey")
        side = config.side // config.downscale
        train, test = _views(3, side), _views(config.test_views, side)
        box = np.array([[-1] * 3, [1] * 3], np.float32)
        return Scene(f"toy/{name}", train, test, 2.0, 6.0, box, manifest=_manifest())


def _manifest() -> str:
    """Return the hash of data that a file `manifest` among the switches can make others."""
    path = Path(os.environ.get("FAKE_SWITCHES", "")) / "manifest"
    return path.read_text(encoding="utf-8") if path.is_file() else "0" * 64


def _views(count: int, side: int) -> Views:
    images = np.empty((count, side, side, 4), np.uint8)
    images[:] = (30 + 40 * np.arange(count))[:, None, None, None]
    images[..., 3] = 255
    poses = np.tile(np.eye(3, 4, dtype=np.float32), (count, 1, 1))
    poses[:, 2, 3] = 4.0
    camera = Intrinsics(side, side, 1.2 * side, 1.2 * side, side / 2, side / 2)
    return Views(images, poses, camera, tuple(f"./test/r_{i}.png" for i in range(count)))
