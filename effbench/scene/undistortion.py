"""Images of a lens resampled onto its pinhole, bilinearly: for each pixel of the pinhole, where the
lens shows what it sees. Radial and tangential distortion as in OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from effbench.errors import SceneError
from effbench.scene.contract import Intrinsics
from effbench.scene.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

Distortion = tuple[float, float, float, float]  # k1, k2, p1, p2


class Lens(NamedTuple):
    """A camera in pixels of the size it was calibrated at; radial (k1, k2) and tangential (p1, p2)
    distortion as in OpenCV, zeros for a pinhole."""

    pinhole: Intrinsics
    distortion: Distortion = (0.0, 0.0, 0.0, 0.0)

    def at_size(self, width: int, height: int) -> Intrinsics:
        """Return the pinhole for images of another size, each axis by its own ratio. Raises
        SceneError for another shape."""
        camera = self.pinhole
        x, y = width / camera.width, height / camera.height
        if not 0.8 < x / y < 1.25:
            raise SceneError(
                f"the camera was calibrated at {camera.width}×{camera.height}, the images are "
                f"{width}×{height}: another shape. To fix it, use the images that the poses are of"
            )
        focal, centre = (camera.fx * x, camera.fy * y), (camera.cx * x, camera.cy * y)
        return Intrinsics(width, height, *focal, *centre)


@dataclass(frozen=True)
class Resampling:
    """x, y: float64 [H, W], where in the lens' image each pixel of the pinhole lies, in pixels with
    the centre of the first at 0.5."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def largest_move(self) -> float:
        """By how many pixels a pixel moves at most."""
        height, width = self.x.shape
        rows, columns = np.mgrid[:height, :width] + 0.5
        return float(np.hypot(self.x - columns, self.y - rows).max())

    @property
    def outside(self) -> float:
        """The part of the pixels that lie beyond the lens' image: they repeat its border."""
        height, width = self.x.shape
        inside = (self.x >= 0) & (self.x <= width) & (self.y >= 0) & (self.y <= height)
        return float(1 - inside.mean())

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the pinhole's image, uint8 [H, W, C], of the lens' of the same size."""
        height, width = image.shape[:2]
        x, y = (self.x - 0.5).clip(0, width - 1), (self.y - 0.5).clip(0, height - 1)
        left = np.minimum(x.astype(np.int64), max(width - 2, 0))
        top = np.minimum(y.astype(np.int64), max(height - 2, 0))
        right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        across, down = (x - left)[..., None], (y - top)[..., None]
        upper = image[top, left] * (1 - across) + image[top, right] * across
        lower = image[low, left] * (1 - across) + image[low, right] * across
        blended: NDArray[np.uint8] = (upper * (1 - down) + lower * down + 0.5).astype(np.uint8)
        return blended


def resampling(pinhole: Intrinsics, distortion: Distortion) -> Resampling | None:
    """Return how images of a lens become those of a pinhole of the same focal lengths, centre and
    size; None where it has no distortion."""
    if not any(distortion):
        return None
    rows, columns = np.mgrid[: pinhole.height, : pinhole.width] + 0.5
    u, v = (columns - pinhole.cx) / pinhole.fx, (rows - pinhole.cy) / pinhole.fy
    x, y = distorted(u, v, distortion)
    return Resampling(pinhole.fx * x + pinhole.cx, pinhole.fy * y + pinhole.cy)


def distorted(
    u: NDArray[np.float64], v: NDArray[np.float64], distortion: Distortion
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a lens shows the directions (u, v, 1), y down, on its normalised image plane."""
    k1, k2, p1, p2 = distortion
    square = u * u + v * v
    radial = 1 + square * (k1 + k2 * square)
    x = u * radial + 2 * p1 * u * v + p2 * (square + 2 * u * u)
    y = v * radial + 2 * p2 * u * v + p1 * (square + 2 * v * v)
    return x, y
