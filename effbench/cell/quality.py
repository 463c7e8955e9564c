"""Image quality: pure functions on 8-bit sRGB images, uint8 [H, W, 3], as they were saved.

Libraries that are slow to import are imported where they are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from effbench.errors import Diverged, EffbenchError

Image = NDArray[np.uint8]
Scorer = Callable[[Image, Image], float]

SSIM_WINDOW = 11  # px


def quantise(image: torch.Tensor | NDArray[np.floating[Any]]) -> Image:
    """Return a float [H, W, 3] image in [0, 1] as uint8: clipped, rounded half up.

    Raises Diverged when a pixel is NaN or infinite.
    """
    pixels = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else image
    values = np.asarray(pixels, np.float64)
    if not np.isfinite(values).all():
        raise Diverged("a rendered image holds pixels that are not finite: training diverged")
    rounded: Image = np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded


def psnr(prediction: Image, truth: Image) -> float:
    """Return 10·log10(255² / MSE) in dB over all pixels and channels.

    Equal images have no error to divide by; theirs is the largest figure that two different 8-bit
    images of their size can have, as if one channel of one pixel were off by one level:
    10·log10(255²·H·W·3), 104.9 dB for 400×400. So that a mean over views is always finite.
    """
    same_shape(prediction, truth)
    error = np.sum((prediction.astype(np.float64) - truth.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 * truth.size / max(float(error), 1.0)))


def ssim(prediction: Image, truth: Image) -> float:
    """Return the mean structural similarity (Wang et al. 2004) over channels, at most 1.

    Gaussian window of 11 pixels, σ = 1.5, K = (0.01, 0.03), population covariance, averaged over
    the valid region: without the 5 pixels at each border, where the window would reach beyond the
    image. NaN for an image with a side below 11 pixels, which has none.
    """
    from effbench.cell import ssim as similarity  # numba: slow to import

    same_shape(prediction, truth)
    if min(truth.shape[:2]) < SSIM_WINDOW:
        return math.nan
    return similarity.ssim(prediction, truth)


def flip(prediction: Image, truth: Image) -> float:
    """Return the mean LDR-ꟻLIP error in [0, 1] (Andersson et al. 2020) at 67 pixels per degree."""
    from effbench.cell import flip as error  # numba: slow to import

    same_shape(prediction, truth)
    return error.flip(prediction, truth)


def same_shape(prediction: Image, truth: Image) -> None:
    """Raise EffbenchError unless both are 8-bit images of one size."""
    for image in (prediction, truth):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            raise EffbenchError(
                f"quality needs uint8 [H, W, 3] images, not {image.dtype} {list(image.shape)}: "
                "quantise the render first"
            )
    if prediction.shape != truth.shape:
        raise EffbenchError(
            f"a render of {prediction.shape[1]}×{prediction.shape[0]} pixels cannot be compared "
            f"with a view of {truth.shape[1]}×{truth.shape[0]}: render at the camera's size"
        )
