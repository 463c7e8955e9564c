"""FLIP against its authors' program, on images of every kind."""

from __future__ import annotations

import flip_evaluator
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from effbench.cell.flip import PIXELS_PER_DEGREE, flip

Image = NDArray[np.uint8]


def theirs(prediction: Image, truth: Image) -> float:
    reference, test = (x.astype(np.float32) / np.float32(255) for x in (truth, prediction))
    options = {"ppd": PIXELS_PER_DEGREE}
    found = flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False, parameters=options)
    return float(found[1])


def noise(height: int, width: int, seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_screen_has_67_pixels_per_degree() -> None:
    assert pytest.approx(67.0206, abs=1e-4) == PIXELS_PER_DEGREE


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255), st.integers(0, 99))
@settings(max_examples=60)
def test_noise_of_any_size_and_strength(height: int, width: int, strength: int, seed: int) -> None:
    truth = noise(height, width, seed)
    shift = np.random.default_rng(seed + 1).integers(-strength, strength + 1, truth.shape)
    prediction = np.clip(truth + shift, 0, 255).astype(np.uint8)
    assert flip(prediction, truth) == pytest.approx(theirs(prediction, truth), abs=1e-4)


def test_a_picture_and_a_blurred_one() -> None:
    y, x = np.mgrid[:120, :160] / 20
    truth = (
        127 + 120 * np.stack([np.sin(x * y), np.cos(x + y), np.sin(x) * np.cos(y)], -1)
    ).astype("u1")
    prediction = ((truth.astype(int) + np.roll(truth, 2, 1) + np.roll(truth, 3, 0)) // 3).astype(
        "u1"
    )
    expected = theirs(prediction, truth)
    assert expected > 0.03
    assert flip(prediction, truth) == pytest.approx(expected, abs=1e-5)


COLOURS = [(0, 0, 0), (255, 255, 255), (0, 255, 0), (0, 0, 255), (255, 0, 0), (9, 10, 11)]


@pytest.mark.parametrize("one", COLOURS)
@pytest.mark.parametrize("other", COLOURS)
def test_plain_colours_and_edges_between_them(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    truth = np.full((30, 34, 3), one, np.uint8)
    prediction = truth.copy()
    prediction[:, 15:] = other
    # beside an edge float32 ends: what is left of a bell there is added to a number of 16
    assert flip(prediction, truth) == pytest.approx(theirs(prediction, truth), abs=5e-4)


def test_equal_images_have_no_error_and_green_for_blue_the_largest() -> None:
    image = noise(20, 20, 0)
    assert flip(image, image) == 0
    green, blue = np.zeros((2, 20, 20, 3), np.uint8)
    green[..., 1] = blue[..., 2] = 255
    assert flip(green, blue) == pytest.approx(1, abs=1e-3)
