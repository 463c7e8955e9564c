"""Where a render is wrong: FLIP error maps, and the part of a view that tells methods apart.

Images are uint8 [H, W, 3].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Errors = NDArray[np.float32]

COLOURS = "magma"  # as FLIP's authors show it: black is 0, pale yellow is 1


def read(path: Path) -> Pixels:
    """Return an image as uint8 [H, W, 3]. Raises OSError when it cannot be read."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def flip(render: Pixels, truth: Pixels) -> Errors:
    """Return the LDR-ꟻLIP error (Andersson et al. 2020) of each pixel, float32 [H, W] in [0, 1], at
    67 pixels per degree. Raises ValueError when the images differ in size."""
    import flip_evaluator

    if render.shape != truth.shape:
        raise ValueError(f"render is {render.shape}, ground truth {truth.shape}")
    reference, test = (image.astype(np.float32) / np.float32(255) for image in (truth, render))
    errors = flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False)[0]
    return np.asarray(errors, np.float32)[..., 0]


def coloured(errors: Errors) -> Pixels:
    """Return errors in [0, 1] as a picture, black for 0, pale yellow for 1."""
    return np.asarray(colormaps[COLOURS](np.clip(errors, 0, 1), bytes=True)[..., :3])


def worst_box(errors: Sequence[Errors], part: float = 0.25) -> tuple[int, int, int, int]:
    """Return left, top, width, height of the box, `part` of the view's sides long, where the mean
    of the errors is largest; of equals the first from the top, then from the left."""
    mean = np.mean(errors, axis=0, dtype=np.float64)
    height, width = (max(1, round(part * side)) for side in mean.shape)
    total = np.pad(mean, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    sums = total[height:, width:] - total[:-height, width:]
    sums += total[:-height, :-width] - total[height:, :-width]
    top, left = np.unravel_index(np.argmax(np.round(sums, 9)), sums.shape)
    return int(left), int(top), width, height


def crop(image: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """Return the part of an image within left, top, width, height."""
    left, top, width, height = box
    return image[top : top + height, left : left + width]
