"""Images of a lens resampled onto its pinhole, bilinearly: for each pixel of the pinhole, where the
lens shows what it sees. Radial and tangential distortion as in OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
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

_MOST = 1000.0  # focal length and principal point in image sides
_BAND = 1 << 16  # pixels at once

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
        relative = (focal[0] / width, focal[1] / height)
        middle = (abs(centre[0]) / width, abs(centre[1]) / height)
        if not (min(relative) > 1 / _MOST and max(*relative, *middle) < _MOST):
            raise SceneError(
                f"the camera has the focal lengths {camera.fx:g} and {camera.fy:g} and the "
                f"principal point ({camera.cx:g}, {camera.cy:g}) for images of {camera.width}×"
                f"{camera.height} pixels: no lens is like that. To fix it, calibrate it again"
            )
        return Intrinsics(width, height, *focal, *centre)


@dataclass(frozen=True)
class Resampling:
    """From the images of a lens to those of its pinhole, of the same size. Where pixels come from
    is worked out in bands of rows, each time anew: so photographs of any size need little memory.
    """

    pinhole: Intrinsics
    distortion: Distortion

    def moves(self) -> tuple[float, float]:
        """Return by how many pixels a pixel moves at most, and the part of the pixels that lie
        beyond the lens' image: they repeat its border."""
        camera, most, inside = self.pinhole, 0.0, 0
        for rows in self._bands():
            x, y = self._sources(rows)
            down, across = np.mgrid[rows, : camera.width] + 0.5
            most = max(most, float(np.hypot(x - across, y - down).max()))
            within = (x >= 0) & (x <= camera.width) & (y >= 0) & (y <= camera.height)
            inside += int(within.sum())
        return most, 1 - inside / (camera.width * camera.height)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the pinhole's image, uint8 [H, W, C], of the lens'."""
        result = np.empty_like(image)
        for rows in self._bands():
            result[rows] = _bilinear(image, *self._sources(rows))
        return result

    def _bands(self) -> Iterator[slice]:
        height = max(1, _BAND // self.pinhole.width)
        for top in range(0, self.pinhole.height, height):
            yield slice(top, min(top + height, self.pinhole.height))

    def _sources(self, rows: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where in the lens' image pixels of rows lie, x and y float64 [H, W], in pixels
        with the centre of the first at 0.5."""
        camera = self.pinhole
        down, across = np.mgrid[rows, : camera.width] + 0.5
        u, v = (across - camera.cx) / camera.fx, (down - camera.cy) / camera.fy
        x, y = distorted(u, v, self.distortion)
        return camera.fx * x + camera.cx, camera.fy * y + camera.cy


def _bilinear(
    image: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return what an image, uint8 [H, W, C], shows at places x and y in pixels."""
    from scipy.ndimage import map_coordinates

    shown = np.empty((*x.shape, image.shape[2]), np.uint8)
    for channel in range(image.shape[2]):
        source, target = image[..., channel], shown[..., channel]
        map_coordinates(source, (y - 0.5, x - 0.5), target, order=1, mode="nearest")
    return shown


def resampling(pinhole: Intrinsics, distortion: Distortion) -> Resampling | None:
    """Return how images of a lens become those of a pinhole of the same focal lengths, centre and
    size; None where it has no distortion."""
    return Resampling(pinhole, distortion) if any(distortion) else None


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
