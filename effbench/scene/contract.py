"""What a scene is: posed images in two fixed splits. The contract of plug-ins in `scenes/`.

Notation: V views, H×W pixels, C channels (3 RGB or 4 RGBA with straight alpha), 8-bit sRGB.
World units are the scene's own; cameras use OpenGL axes (x right, y up, looking along −z).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from effbench.errors import SceneError
from effbench.scene.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera in pixels; a pixel's centre is at (x + 0.5, y + 0.5)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True)
class Views:
    """Posed images of one split.

    images: uint8 [V, H, W, C]; poses: float32 [V, 3, 4] camera to world;
    names: V file names or labels, in the split's fixed order.
    """

    images: NDArray[np.uint8]
    poses: NDArray[np.float32]
    intrinsics: Intrinsics
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        count, height, width, channels = self.images.shape
        size = (self.intrinsics.height, self.intrinsics.width)
        if count == 0:
            raise SceneError("a split has no views: it needs at least one image")
        if self.poses.shape != (count, 3, 4) or len(self.names) != count:
            raise SceneError(
                f"{count} images, but poses of shape {self.poses.shape} and {len(self.names)} names"
            )
        if (height, width) != size or channels not in (3, 4):
            raise SceneError(
                f"images of shape {height}×{width}×{channels}, but the camera says {size}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def composite(self, view: int, background: tuple[float, float, float]) -> NDArray[np.float32]:
        """Return view `view` over `background` as float32 [H, W, 3] in [0, 1] (sRGB)."""
        image: NDArray[np.float32] = self.images[view].astype(np.float32) / 255
        if image.shape[-1] == 3:
            return image
        alpha = image[..., 3:]
        behind = np.asarray(background, np.float32)
        blended: NDArray[np.float32] = image[..., :3] * alpha + (1 - alpha) * behind
        return blended


@dataclass(frozen=True)
class Scene:
    """A scene ready to train on.

    box: float32 [2, 3], world-space minimum and maximum corner of what is to be modelled; inner:
    the same of what is in the middle, for scenes that go on without end: methods that can contract
    all of space do so beyond it, the others model the box;
    near, far: ray bounds in world units; background: sRGB colour behind transparent pixels;
    manifest: SHA-256 over the split's files or, for made scenes, over the pixels and poses;
    verified: whether that hash was compared with one shipped with effbench; opaque: whether every
    ray of every camera ends on something, as in a photograph, so that a random background in
    training asks for nothing that is not there;
    notes: warnings that belong in the record (skipped frames and the like).
    """

    name: str
    train: Views
    test: Views
    near: float
    far: float
    box: NDArray[np.float32]
    manifest: str
    verified: bool = False
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    opaque: bool = False
    inner: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneEntry:
    """One line of `effbench list scenes`; `reason` says why an unavailable scene is so."""

    name: str
    description: str
    available: bool = True
    reason: str = ""


@dataclass(frozen=True)
class SceneConfig:
    """Parameters that every scene source accepts. downscale: integer factor on both sides."""

    downscale: int = 1


class SceneSource(ABC):
    """A family of scenes, addressed as `family/name`: one class per format or generator.

    captures: whether its scenes go on beyond their middle (`Scene.inner`), for which methods may
    have defaults of their own.
    """

    family: ClassVar[str]
    captures: ClassVar[bool] = False
    Config: ClassVar[type[Any]] = SceneConfig

    @abstractmethod
    def entries(self, root: Path | None) -> list[SceneEntry]:
        """List the family's scenes below `root`, the user's scene folder (None: not set)."""

    @abstractmethod
    def load(self, name: str, root: Path | None, config: Any) -> Scene:
        """Load `family/name`. Raises SceneError naming the file, what is wrong and the remedy."""

    def manifest(self, name: str, root: Path | None, config: Any) -> str:
        """Return the manifest of what `load` would give, by which a finished cell is known to be
        of the same data. Default: load it; a source that can tell by less should. Raises SceneError
        as `load` does."""
        return self.load(name, root, config).manifest


@dataclass(frozen=True)
class SceneRef:
    """A scene by name with the non-default parameters it is loaded with."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)
