"""Depth and opacity as pictures: one scale for what is compared, near is bright.

Images are uint8 [H, W, C].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from effbench.records.maps import ViewMaps

Pixels = NDArray[np.uint8]

COLOURS = "viridis"  # perceptually uniform: near is yellow, far is dark violet
_SEEN = 0.5  # opacity from which on a pixel's depth counts for the scale
_TAIL = 1.0  # percent of those pixels at either end that may lie beyond it


@dataclass(frozen=True)
class Scale:
    """Distances in world units at the ends of the colours; disparity: whether colours are even in
    1 / distance, as suits scenes that go on without end."""

    near: float
    far: float
    disparity: bool = False

    @classmethod
    def of(cls, views: Sequence[ViewMaps], *, disparity: bool) -> Scale:
        """Return the scale that fits all of some maps."""
        parts = [v.depth[(v.opacity >= _SEEN) & np.isfinite(v.depth)] for v in views]
        depths = np.concatenate([part.ravel() for part in parts]) if parts else np.empty(0)
        if not depths.size:
            return cls(1.0, 2.0, disparity)
        near, far = np.percentile(depths, [_TAIL, 100 - _TAIL])
        return cls(float(near), float(max(far, near * 1.001)), disparity)

    def nearness(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where distances lie between far, 0, and near, 1."""
        near, far, at = np.float64(self.near), np.float64(self.far), depth.astype(np.float64)
        if self.disparity:
            near, far, at = 1 / near, 1 / far, 1 / at
        return np.clip((at - far) / (near - far), 0, 1).astype(np.float32)

    def middle(self) -> float:
        """Return the distance of the colour in the middle."""
        if self.disparity:
            return 2 / (1 / self.near + 1 / self.far)
        return (self.near + self.far) / 2


def coloured(maps: ViewMaps, scale: Scale) -> Pixels:
    """Return depth as RGBA: what is less opaque shows less."""
    picture = np.asarray(colormaps[COLOURS](scale.nearness(maps.depth), bytes=True)).copy()
    picture[..., 3] = grey(maps)
    return picture


def grey(maps: ViewMaps) -> Pixels:
    """Return opacity as uint8 [H, W], 255 for 1."""
    return np.round(255 * np.clip(maps.opacity, 0, 1)).astype(np.uint8)


def on_black(maps: ViewMaps, scale: Scale) -> Pixels:
    """Return depth as RGB over black."""
    picture = coloured(maps, scale).astype(np.uint16)
    return (picture[..., :3] * picture[..., 3:] // 255).astype(np.uint8)


def opacity(maps: ViewMaps) -> Pixels:
    """Return opacity as RGB, white for 1."""
    return np.repeat(grey(maps)[..., None], 3, axis=2)


def stops(count: int = 12) -> list[str]:
    """Return the scale's colours from near to far, as CSS writes them."""
    return [to_hex(colormaps[COLOURS](1 - i / (count - 1))) for i in range(count)]
