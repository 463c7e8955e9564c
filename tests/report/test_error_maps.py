"""Error maps and the box where they are worst."""

from __future__ import annotations

import numpy as np
import pytest

from effbench.cell.quality import flip as mean_flip
from effbench.report import error_maps


def test_the_mean_of_a_map_is_the_recorded_figure() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    render = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    errors = error_maps.flip(render, truth)
    assert errors.shape == (24, 32)
    assert 0 <= errors.min() <= errors.max() <= 1
    assert errors.mean() == pytest.approx(mean_flip(render, truth), abs=1e-6)
    assert not error_maps.flip(truth, truth).any()


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="ground truth"):
        error_maps.flip(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8))


def test_colours_go_from_black_to_pale_yellow() -> None:
    coloured = error_maps.coloured(np.array([[0.0, 1.0, 2.0]], np.float32))
    assert coloured.shape == (1, 3, 3)
    assert coloured[0, 0].max() <= 4
    assert coloured[0, 1].min() > 180
    np.testing.assert_array_equal(coloured[0, 1], coloured[0, 2])


def test_the_worst_box_is_where_the_mean_over_rows_is_largest() -> None:
    one, other = np.zeros((2, 8, 12), np.float32)
    one[0, 0] = 3.0  # a single pixel, of one row
    one[4:6, 6:9] = other[4:6, 6:9] = 0.5
    assert error_maps.worst_box([one, other]) == (6, 4, 3, 2)
    assert error_maps.worst_box([np.zeros((8, 12), np.float32)]) == (0, 0, 3, 2)


def test_a_crop_is_a_part_of_the_image() -> None:
    image = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    np.testing.assert_array_equal(error_maps.crop(image, (6, 4, 3, 2)), image[4:6, 6:9])
