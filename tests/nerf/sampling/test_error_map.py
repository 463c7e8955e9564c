"""The error map: which pixels it draws, and what it learns from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from effbench.errors import ConfigError
from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.sampling.rays import Aabb
from effbench.scene import Views
from tests.nerf_scene import CAMERA, ball

CPU = torch.device("cpu")
CUBE = Aabb.of(ball().box, ball(), CPU)


def views(count: int, height: int, width: int) -> Views:
    """Return views whose pixels' colours are (column, row, view, 255)."""
    view, y, x = np.indices((count, height, width), dtype=np.uint8)
    images = np.stack([x, y, view, np.full_like(x, 255)], -1)
    camera = replace(CAMERA, width=width, height=height)
    known = ball().train
    return Views(images, known.poses[:count], camera, known.names[:count])


def error_map(count: int = 2, height: int = 7, width: int = 5, **options: Any) -> ErrorMapPixels:
    chosen = ErrorMapOptions(**{"map_size": 3, "map_uniform": 0.0, "map_every": 1, **options})
    return ErrorMapPixels(chosen, views(count, height, width), CUBE, CPU, "auto")


def draw(pixels: ErrorMapPixels, count: int, seed: int = 0) -> torch.Tensor:
    """Return the (column, row, view) of pixels drawn, int64 [count, 3]."""
    _, colors = pixels.sample(count, torch.Generator().manual_seed(seed))
    return (colors[:, :3] * 255).round().long()


def observe(pixels: ErrorMapPixels, errors: list[float]) -> None:
    """Report `errors`, as squared errors, of the pixels drawn last."""
    color = torch.tensor(errors).sqrt()[:, None].expand(-1, 3)
    pixels.observe(color, torch.zeros_like(color))
    pixels.observed()


# 7 rows are cut into 0–1, 2–3, 4–6 and 5 columns into 0, 1–2, 3–4
ROW_OF = torch.tensor([0, 0, 1, 1, 2, 2, 2])
COLUMN_OF = torch.tensor([0, 1, 1, 2, 2])


def cell_of(drawn: torch.Tensor) -> torch.Tensor:
    x, y, view = drawn.unbind(1)
    return view * 9 + ROW_OF[y] * 3 + COLUMN_OF[x]


def test_every_pixel_is_drawn_as_often_as_its_cells_probability_says() -> None:
    pixels = error_map(map_uniform=0.25)
    pixels.error = torch.arange(18.0).view(2, 9)  # one cell without error: the floor draws it
    probability = pixels.probability().flatten()
    drawn = draw(pixels, 200_000)
    x, y, view = drawn.unbind(1)
    counts = torch.bincount((view * 7 + y) * 5 + x, minlength=70).double()
    every = torch.cartesian_prod(torch.arange(2), torch.arange(7), torch.arange(5)).flip(1)
    expected = probability[cell_of(every)]
    assert float(expected.sum()) == pytest.approx(1)
    assert float(expected.min()) == pytest.approx(0.25 / 70)
    # χ² with 69 degrees of freedom exceeds 136 once in 10⁶ seeds
    assert float(((counts - 200_000 * expected) ** 2 / (200_000 * expected)).sum()) < 136


def test_an_even_map_draws_uniformly_whatever_the_cells_sizes() -> None:
    probability = error_map().probability()
    torch.testing.assert_close(probability, torch.full_like(probability, 1 / 70))


def test_probabilities_are_proportional_to_the_error() -> None:
    pixels = error_map(1, 4, 4, map_size=2)  # cells of four pixels
    pixels.error = torch.tensor([[1.0, 0.0, 2.0, 5.0]])
    expected = torch.tensor([[1.0, 0.0, 2.0, 5.0]]).double() / 8 / 4
    torch.testing.assert_close(pixels.probability(), expected, rtol=1e-9, atol=1e-9)


def test_a_map_finer_than_the_image_has_one_cell_per_pixel() -> None:
    pixels = error_map(map_size=64)
    assert pixels.error.shape == (2, 35)
    pixels.error = torch.zeros(2, 35)
    pixels.error[1, 3 * 5 + 2] = 1
    assert draw(pixels, 50).unique(dim=0).tolist() == [[2, 3, 1]]


def test_a_map_without_any_error_draws_uniformly() -> None:
    pixels = error_map()
    pixels.error = torch.zeros(2, 9)
    assert len(torch.unique(cell_of(draw(pixels, 500)))) == 18


def test_rays_belong_to_the_pixels_drawn() -> None:
    pixels = error_map()
    rays, colors = pixels.sample(40, torch.Generator().manual_seed(1))
    x, y, view = (colors[:, :3] * 255).round().long().unbind(1)
    expected, _ = pixels._at(view, y, x)
    assert torch.equal(rays.origins, expected.origins)
    assert torch.equal(rays.directions, expected.directions)


def test_a_new_error_replaces_all_but_the_decay_of_the_old() -> None:
    pixels = error_map(map_decay=0.25)
    cell = int(cell_of(draw(pixels, 1)))
    observe(pixels, [0.4])
    expected = torch.ones(18)
    expected[cell] = 0.25 * 1 + 0.75 * 0.4
    torch.testing.assert_close(pixels.error.flatten(), expected)


def test_errors_in_one_cell_are_averaged_and_every_step_starts_afresh() -> None:
    pixels = error_map(1, 4, 4, map_size=1, map_decay=0.5)  # one cell
    draw(pixels, 4)
    observe(pixels, [0.1, 0.2, 0.3, 0.4])
    assert pixels.error.item() == pytest.approx(0.5 * 1 + 0.5 * 0.25)
    draw(pixels, 2)
    observe(pixels, [0.0, 0.25])
    assert pixels.error.item() == pytest.approx(0.5 * 0.625 + 0.5 * 0.125)


def test_new_errors_tell_from_the_next_refresh_on() -> None:
    pixels = error_map(map_size=64, map_every=2)
    draw(pixels, 50)
    observe(pixels, [1.0] * 50)
    pixels.error = torch.zeros(2, 35)
    pixels.error[0, 0] = 1
    draw(pixels, 50)  # a look without an observation brings the refresh no nearer
    assert len(draw(pixels, 50).unique(dim=0)) > 10
    observe(pixels, [0.0] * 50)
    assert draw(pixels, 50).unique(dim=0).tolist() == [[0, 0, 0]]


def test_rays_beyond_the_count_teach_nothing() -> None:
    every, some = error_map(), error_map()
    drawn = draw(every, 12)
    color = torch.rand(12, 3, generator=torch.Generator().manual_seed(1))
    every._cell = every._cell[:5]
    every.observe(color[:5], torch.zeros(5, 3))
    draw(some, 12)
    some.observe(color, torch.zeros(12, 3), torch.arange(12) < 5)
    assert len(cell_of(drawn).unique()) > len(cell_of(drawn[:5]).unique())
    torch.testing.assert_close(some.error, every.error)


@pytest.mark.parametrize(
    "options", [{"map_size": 0}, {"map_every": 0}, {"map_decay": 1.0}, {"map_uniform": 1.1}]
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        ErrorMapOptions(**options)
