"""The box of what the training images show, by carving (Laurentini 1994, the visual hull).

Notation: V views, P points, world units. A cell of a lattice is carved away when one training
view sees nothing but empty pixels where the cell projects to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from effbench.scene.contract import Intrinsics
from effbench.scene.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

_COARSE = 32  # cells per axis of the first lattice
_FINER = 2  # each cell that is left is divided into so many per axis


@dataclass(frozen=True)
class Silhouettes:
    """Which pixels of some views are not empty: bool [V, H, W]; poses float32 [V, 3, 4]."""

    masks: NDArray[np.bool_]
    poses: NDArray[np.float32]
    intrinsics: Intrinsics


def hull_box(views: Silhouettes, box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of `box` (float32 [2, 3]) that holds all that the views show.

    The result holds every point that no view shows to be empty, and is at most two 64ths of the box
    larger on each side. `box` itself where nothing is left.
    """
    low, high = box.astype(np.float64)
    side = (high - low) / _COARSE
    centres = low + (_lattice(_COARSE) + 0.5) * side
    centres = _carve(views, centres, side)
    finer = side / _FINER
    centres = (centres[:, None] + (_lattice(_FINER) + 0.5 - _FINER / 2) * finer).reshape(-1, 3)
    centres = _carve(views, centres, finer)
    if not len(centres):
        return box
    found = np.stack([centres.min(0) - finer / 2, centres.max(0) + finer / 2])
    return found.astype(np.float32)


def _lattice(size: int) -> NDArray[np.float64]:
    """Return the indices of a cubic lattice, float64 [size³, 3]."""
    axes = [np.arange(size)] * 3
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3).astype(np.float64)


def _carve(
    views: Silhouettes, centres: NDArray[np.float64], side: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the centres [P, 3] of the cells that no view shows to be empty."""
    radius = float(np.linalg.norm(side)) / 2
    for mask, pose in zip(views.masks, views.poses, strict=True):
        if not len(centres):
            break
        centres = centres[_maybe_full(views, mask, pose, centres, radius)]
    return centres


def _maybe_full(
    views: Silhouettes,
    mask: NDArray[np.bool_],
    pose: NDArray[np.float32],
    centres: NDArray[np.float64],
    radius: float,
) -> NDArray[np.bool_]:
    """Return which balls (centres [P, 3], one radius) the view does not show to be empty."""
    camera = views.intrinsics
    local = (centres - pose[:, 3]) @ pose[:, :3].astype(np.float64)
    depth = -local[:, 2]
    in_front = depth > 2 * radius  # nearer or behind: its image is large or none; it stays
    safe = np.where(in_front, depth, 1.0)
    x = camera.cx + camera.fx * local[:, 0] / safe
    y = camera.cy - camera.fy * local[:, 1] / safe
    # the image of a ball lies in this many pixels around its centre's, with one for the rounding
    reach = max(camera.fx, camera.fy) * radius / (safe - radius) * _stretch(views) + 1
    inside = (
        (x - reach >= 0)
        & (y - reach >= 0)
        & (x + reach <= camera.width)
        & (y + reach <= camera.height)
    )
    # pixels that are not empty, summed over the rectangle from the origin: 4 reads give any other
    table = np.zeros((camera.height + 1, camera.width + 1), np.int64)
    table[1:, 1:] = mask.cumsum(0).cumsum(1)

    def corner(at: NDArray[np.float64], most: int) -> NDArray[np.int64]:
        return np.clip(at, 0, most).astype(np.int64)

    x0, x1 = corner(np.floor(x - reach), camera.width), corner(np.ceil(x + reach), camera.width)
    y0, y1 = corner(np.floor(y - reach), camera.height), corner(np.ceil(y + reach), camera.height)
    full = table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0] > 0
    kept: NDArray[np.bool_] = full | ~inside | ~in_front
    return kept


def _stretch(views: Silhouettes) -> float:
    """Return how much perspective stretches a ball's image at a corner: 1 / cos of the angle."""
    camera = views.intrinsics
    x = max(camera.cx, camera.width - camera.cx) / camera.fx
    y = max(camera.cy, camera.height - camera.cy) / camera.fy
    return math.sqrt(1 + x * x + y * y)
