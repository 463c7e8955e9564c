"""What a scene is: posed images in two fixed splits. The contract of plug-ins in `scenes/`.

Notation: V views, H×W pixels, C channels (3 RGB or 4 RGBA with straight alpha), 8-bit sRGB.
World units are the scene's own; cameras use OpenGL axes (x right, y up, looking along −z).
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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

    def reduced(self, factor: int) -> Intrinsics:
        """Return the camera of images whose pixels are blocks of factor×factor of this one's."""
        focal, centre = (self.fx / factor, self.fy / factor), (self.cx / factor, self.cy / factor)
        return Intrinsics(self.width // factor, self.height // factor, *focal, *centre)


@dataclass(frozen=True)
class Views:
    """Posed images of one split.

    images: uint8 [V, H, W, C], or the pixels of all views, one view after the other and row by row,
    uint8 [P, C], where sizes differ (`Views.of` makes them of images); poses: float32 [V, 3, 4]
    camera to world; camera: that of all views, or one for each; names: V file names or labels, in
    the split's fixed order; times: float32 [V] in [0, 1], when each was taken, of a scene that
    moves, else None. Raises SceneError where these do not fit each other.
    """

    images: NDArray[np.uint8]
    poses: NDArray[np.float32]
    camera: Intrinsics | tuple[Intrinsics, ...]
    names: tuple[str, ...]
    times: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        images: Sequence[NDArray[np.uint8]],
        poses: NDArray[np.float32],
        cameras: Sequence[Intrinsics],
        names: Sequence[str],
        times: NDArray[np.float32] | None = None,
    ) -> Views:
        """Return V images, uint8 [H, W, C] of any sizes, as views of V cameras."""
        if len({image.shape[-1] for image in images}) > 1:
            raise SceneError("some images have alpha, others have none: use images of one mode")
        if len({image.shape for image in images}) == 1:
            together = np.stack(images)
        else:  # an empty array first, for a split without views
            flat = (image.reshape(-1, image.shape[-1]) for image in images)
            together = np.concatenate([np.empty((0, *images[0].shape[-1:]), np.uint8), *flat])
        camera = cameras[0] if len(set(cameras)) == 1 else tuple(cameras)
        return cls(together, poses, camera, tuple(names), times)

    def __post_init__(self) -> None:
        count, shape = len(self.names), self.images.shape
        if count == 0 or not self.images.size:
            raise SceneError("a split has no views: it needs at least one image")
        there = shape[0] if len(shape) == 4 else count
        if self.poses.shape != (count, 3, 4) or there != count:
            raise SceneError(
                f"{there} images, but poses of shape {self.poses.shape} and {count} names"
            )
        if self.times is not None and not (
            self.times.shape == (count,) and ((self.times >= 0) & (self.times <= 1)).all()
        ):
            raise SceneError(f"{count} images, but their times are not as many from 0 to 1")
        if len(self.cameras) != count:
            raise SceneError(f"{count} images, but {len(self.cameras)} cameras")
        sizes = {(camera.height, camera.width) for camera in self.cameras}
        if len(shape) == 4:
            fits = sizes == {shape[1:3]}
        else:
            fits = len(shape) == 2 and shape[0] == self.starts[-1]
        if not fits or shape[-1] not in (3, 4):
            said = ", ".join(map(str, sorted(sizes)[:4]))
            raise SceneError(
                f"images of shape {'×'.join(map(str, shape[-3:]))}, but the camera says {said}"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def intrinsics(self) -> Intrinsics:
        """The camera of all views. Raises SceneError where views have cameras of their own."""
        if isinstance(self.camera, Intrinsics):
            return self.camera
        raise SceneError(
            "views have cameras of their own, of which this method or command reads one: use "
            "another, or images of one camera"
        )

    @functools.cached_property
    def cameras(self) -> tuple[Intrinsics, ...]:
        """The camera of each view."""
        if isinstance(self.camera, Intrinsics):
            return (self.camera,) * len(self)
        return self.camera

    @functools.cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where the pixels of each view begin among those of all: int64 [V + 1], the last the
        number of pixels."""
        return np.cumsum([0, *(camera.width * camera.height for camera in self.cameras)])

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The width and height of each view."""
        return [(camera.width, camera.height) for camera in self.cameras]

    def image(self, view: int) -> NDArray[np.uint8]:
        """Return the image of a view, uint8 [H, W, C]."""
        if self.images.ndim == 4:
            whole: NDArray[np.uint8] = self.images[view]
            return whole
        camera = self.cameras[view]
        pixels = self.images[self.starts[view] : self.starts[view + 1]]
        return pixels.reshape(camera.height, camera.width, -1)

    def composite(self, view: int, background: tuple[float, float, float]) -> NDArray[np.float32]:
        """Return view `view` over `background` as float32 [H, W, 3] in [0, 1] (sRGB)."""
        image = self.image(view).astype(np.float32) / np.float32(255)
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
    notes: warnings that belong in the record (skipped frames and the like). Raises SceneError for
    views that have times in one split alone.
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

    def __post_init__(self) -> None:
        if (self.train.times is None) != (self.test.times is None):
            raise SceneError(f"the views of '{self.name}' have times in one split alone")

    @property
    def moves(self) -> bool:
        """Whether what is seen depends on when."""
        return self.train.times is not None

    def still(self) -> Scene:
        """Return the scene as if it stood still: the same views without their times."""
        train, test = (replace(views, times=None) for views in (self.train, self.test))
        return replace(self, train=train, test=test)


@dataclass(frozen=True)
class SceneEntry:
    """One line of `effbench list scenes`; `reason` says why an unavailable scene is so; moves: what
    `Scene.moves` will be."""

    name: str
    description: str
    available: bool = True
    reason: str = ""
    moves: bool = False


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
