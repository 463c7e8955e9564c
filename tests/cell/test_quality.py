"""Quality against values worked out by hand or by a slow, plain formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from effbench.cell import quality
from effbench.errors import Diverged, EffbenchError

Image = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class TestQuantise:
    def test_halves_are_rounded_up_and_the_rest_is_clipped(self) -> None:
        levels = np.array([[[0.49, 0.5, 1.5], [2.5, 254.49, 254.5], [-9, 255, 300]]]) / 255
        assert quality.quantise(levels).tolist() == [[[0, 1, 2], [3, 254, 255], [0, 255, 255]]]

    def test_every_8_bit_level_comes_back(self) -> None:
        levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
        image = torch.from_numpy(levels.astype(np.float32) / 255)
        quantised = quality.quantise(image)
        assert quantised.dtype == np.uint8
        assert (quantised == levels).all()

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_pixels_that_are_not_finite_are_refused(self, bad: float) -> None:
        image = torch.zeros(2, 2, 3)
        image[1, 1, 2] = bad
        with pytest.raises(Diverged, match="not finite"):
            quality.quantise(image)


class TestPsnr:
    @pytest.mark.parametrize(("step", "expected"), [(1, 48.1308), (16, 24.0484)])
    def test_a_constant_difference(self, step: int, expected: float) -> None:
        truth = np.full((4, 5, 3), 100, np.uint8)
        # 20·log10(255 / step), whichever of the two is brighter
        assert quality.psnr(truth + np.uint8(step), truth) == pytest.approx(expected, abs=1e-4)
        assert quality.psnr(truth, truth + np.uint8(step)) == pytest.approx(expected, abs=1e-4)

    def test_one_black_channel_of_white_is_a_third_of_the_error(self) -> None:
        truth = np.full((2, 2, 3), 255, np.uint8)
        prediction = truth.copy()
        prediction[..., 1] = 0
        assert quality.psnr(prediction, truth) == pytest.approx(10 * math.log10(3))

    def test_equal_images_have_the_largest_figure_that_differing_ones_can(self) -> None:
        truth = noise(3, 4)
        nearest = truth.copy()
        nearest[1, 2, 0] ^= 1  # one level, in one channel of one pixel
        assert quality.psnr(truth, truth) == quality.psnr(nearest, truth)
        assert quality.psnr(truth, truth) == pytest.approx(10 * math.log10(255**2 * 3 * 4 * 3))


class TestSsim:
    def test_equal_images(self) -> None:
        assert quality.ssim(noise(16, 12), noise(16, 12)) == pytest.approx(1)

    def test_against_the_definition_window_by_window(self) -> None:
        truth = noise(14, 13)
        prediction = (truth * 0.7 + noise(14, 13, seed=1) * 0.3).astype(np.uint8)
        expected = slow_ssim(prediction / 255, truth / 255)
        assert 0.3 < expected < 0.99
        assert quality.ssim(prediction, truth) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("strength", [0, 3, 80])
    def test_against_scikit_image(self, strength: int) -> None:
        truth = noise(57, 83)
        truth[10:40, 10:60] = 128  # flat, where moments nearly cancel
        shift = np.random.default_rng(1).integers(-strength, strength + 1, truth.shape)
        prediction = np.clip(truth + shift, 0, 255).astype(np.uint8)
        expected = structural_similarity(
            *(prediction / 255, truth / 255),
            **{"data_range": 1.0, "channel_axis": -1, "gaussian_weights": True, "sigma": 1.5},
            use_sample_covariance=False,
        )
        assert quality.ssim(prediction, truth) == pytest.approx(expected, abs=1e-12)

    def test_an_image_smaller_than_the_window_has_none(self) -> None:
        assert math.isnan(quality.ssim(noise(10, 40), noise(10, 40)))
        assert not math.isnan(quality.ssim(noise(11, 11), noise(11, 11)))


def slow_ssim(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Wang et al. 2004, eq. 13, at every place where the 11×11 window lies within the image."""
    offsets = np.arange(-5, 6)
    gauss = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(gauss, gauss)
    weights /= weights.sum()
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for row in range(x.shape[0] - 10):
        for column in range(x.shape[1] - 10):
            for channel in range(3):
                window = (slice(row, row + 11), slice(column, column + 11), channel)
                a, b = x[window], y[window]
                ma, mb = (weights * a).sum(), (weights * b).sum()
                va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
                cov = (weights * (a - ma) * (b - mb)).sum()
                luminance = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
                values.append(luminance * (2 * cov + c2) / (va + vb + c2))
    return float(np.mean(values))


class TestFlip:
    def test_equal_images(self) -> None:
        assert quality.flip(noise(16, 16), noise(16, 16)) == 0

    def test_a_larger_error_scores_worse_within_the_unit_interval(self) -> None:
        truth = np.full((24, 24, 3), 200, np.uint8)
        near, far = truth - np.uint8(10), truth - np.uint8(150)
        assert 0 < quality.flip(near, truth) < quality.flip(far, truth) <= 1


@pytest.mark.parametrize("score", [quality.psnr, quality.ssim, quality.flip])
def test_images_that_cannot_be_compared_are_refused(score: Callable[..., float]) -> None:
    with pytest.raises(EffbenchError, match="12×16 pixels cannot be compared with a view of 16×12"):
        score(noise(16, 12), noise(12, 16))
    with pytest.raises(EffbenchError, match=r"not float32 \[16, 16, 3\]: quantise"):
        score(noise(16, 16).astype(np.float32), noise(16, 16))
