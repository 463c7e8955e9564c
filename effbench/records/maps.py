"""Depth and opacity of a cell's test views as files: `maps/<view>.depth.png`, `.opacity.png`.

Depth is stored as 16-bit disparity, value = 65535 · nearest / depth: what is near has the most
digits, and 0 is infinity. The nearest distances are in `maps/maps.json`, by view.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from effbench import files

INDEX = "maps.json"
_LEVELS = 65535
_LEAST = 1e-9  # world units: no surface is in the camera's centre


@dataclass(frozen=True)
class ViewMaps:
    """depth: float32 [H, W], distance along the ray in world units, infinite where nothing is;
    opacity: float32 [H, W] in [0, 1]."""

    depth: NDArray[np.float32]
    opacity: NDArray[np.float32]


def write(folder: Path, maps: Mapping[str, ViewMaps]) -> None:
    """Write maps by view to `folder`, each file atomically, the index last."""
    nearest = {}
    for name, view in maps.items():
        depth = np.maximum(view.depth.astype(np.float64), _LEAST)
        finite = depth[np.isfinite(depth)]
        nearest[name] = float(finite.min()) if finite.size else 1.0
        disparity = np.round(_LEVELS * (nearest[name] / depth))
        _save(folder / f"{name}.depth.png", disparity.astype(np.uint16))
        _save(folder / f"{name}.opacity.png", np.round(255 * view.opacity).astype(np.uint8))
    files.write_json(folder / INDEX, {"nearest": nearest})


def read(folder: Path, name: str) -> ViewMaps | None:
    """Return the maps of a view; None where the cell has none of it. Raises OSError or ValueError
    for files that cannot be read."""
    if not (folder / INDEX).exists():
        return None
    nearest = json.loads((folder / INDEX).read_text(encoding="utf-8"))["nearest"].get(name)
    if nearest is None:
        return None
    with Image.open(folder / f"{name}.depth.png") as image:
        disparity = np.asarray(image).astype(np.float64) / _LEVELS
    with Image.open(folder / f"{name}.opacity.png") as image:
        opacity = (np.asarray(image) / 255).astype(np.float32)
    with np.errstate(divide="ignore"):
        depth = (nearest / disparity).astype(np.float32)
    return ViewMaps(depth, opacity)


def _save(path: Path, pixels: NDArray[np.uint16] | NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    files.write_bytes(path, stream.getvalue())
