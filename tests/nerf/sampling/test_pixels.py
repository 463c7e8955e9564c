"""Pixels of views whose sizes and cameras differ: drawn evenly, on the rays of their cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from effbench.kernels.rays import generate_rays
from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.sampling.pixels import PixelGrid
from effbench.nerf.sampling.rays import Aabb, TrainingPixels, of_one_camera
from effbench.scene import Views
from tests.nerf_scene import ball, mixed_ball

CPU = torch.device("cpu")
BOX = Aabb.of(mixed_ball().box, mixed_ball(), CPU)
SIZES = ([(5, 3)] * 4, [(5, 3), (3, 5), (2, 2), (5, 3)])


def numbered(views: Views) -> Views:
    """Return views whose colours are (column, row, view, 255)."""
    images = []
    for view, (width, height) in enumerate(views.sizes):
        y, x = np.indices((height, width), dtype=np.uint8)
        images.append(np.stack([x, y, np.full_like(x, view), np.full_like(x, 255)], -1))
    return Views.of(images, views.poses, views.cameras, views.names)


def place_of(colors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return view, row and column of what was drawn of numbered views."""
    x, y, view, _ = (colors * 255).round().long().unbind(1)
    return view, y, x


@pytest.mark.parametrize("sizes", SIZES, ids=["one size", "several"])
def test_every_pixel_has_one_place(sizes: list[tuple[int, int]]) -> None:
    grid = PixelGrid.of(sizes, CPU)
    expected = [(v, y, x) for v, (w, h) in enumerate(sizes) for y in range(h) for x in range(w)]
    view, y, x = grid.locate(torch.arange(grid.pixels))
    assert torch.stack([view, y, x], 1).tolist() == [list(place) for place in expected]
    assert grid.index(view, y, x).tolist() == list(range(grid.pixels))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_rays_are_those_of_each_views_own_camera(backend: str) -> None:
    views = mixed_ball().train
    poses, camera = of_one_camera(views)
    for view, own in enumerate(views.cameras):
        y, x = (
            a.flatten()
            for a in torch.meshgrid(
                torch.arange(own.height), torch.arange(own.width), indexing="ij"
            )
        )
        at = torch.full_like(x, view)
        expected = generate_rays(torch.from_numpy(views.poses), own, at, x, y, "reference")
        found = generate_rays(torch.from_numpy(poses), camera, at, x, y, backend)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_one_camera_given_for_each_view_is_the_same_as_given_once() -> None:
    views = ball().train
    poses, camera = of_one_camera(replace(views, camera=(views.intrinsics,) * 8))
    assert camera == views.intrinsics
    np.testing.assert_array_equal(poses, views.poses)


def test_pixels_are_drawn_evenly_over_all_views() -> None:
    views = numbered(mixed_ball().train)
    pixels = TrainingPixels(views, BOX, CPU, "auto")
    _, colors = pixels.sample(200_000, torch.Generator().manual_seed(0))
    grid = PixelGrid.of(views.sizes, CPU)
    counts = torch.bincount(grid.index(*place_of(colors)), minlength=grid.pixels)
    mean = 200_000 / grid.pixels
    assert (counts.double().var() / mean).item() == pytest.approx(1, abs=0.15)  # as Poisson's
    assert counts.min() > 0


def test_drawn_pixels_lie_on_their_own_rays() -> None:
    views = numbered(mixed_ball().train)
    pixels = TrainingPixels(views, BOX, CPU, "auto")
    rays, colors = pixels.sample(300, torch.Generator().manual_seed(1))
    for place in range(0, 300, 17):
        view, y, x = (part[place : place + 1] for part in place_of(colors))
        camera = views.cameras[int(view)]
        world = generate_rays(torch.from_numpy(views.poses), camera, view, x, y, "reference")
        expected = BOX.rays(*world)
        torch.testing.assert_close(rays.directions[place], expected.directions[0])
        torch.testing.assert_close(rays.origins[place], expected.origins[0])


def test_an_error_map_finds_the_hard_view_among_views_of_several_sizes() -> None:
    views = numbered(mixed_ball().train)
    options = ErrorMapOptions(map_size=4, map_uniform=0.0, map_every=1)
    pixels = ErrorMapPixels(options, views, BOX, CPU, "auto")
    assert pixels.error.shape == (8 * 16,)
    generator = torch.Generator().manual_seed(0)
    _, colors = pixels.sample(20_000, generator)
    grid = PixelGrid.of(views.sizes, CPU)
    assert len(torch.unique(grid.index(*place_of(colors)))) == grid.pixels  # each can be drawn
    hard = place_of(colors)[0] == 5
    error = torch.where(hard, 1.0, 0.0)[:, None].expand(-1, 3)
    pixels.observe(error, torch.zeros_like(error))
    pixels.observed()
    _, colors = pixels.sample(2_000, generator)
    drawn = torch.bincount(place_of(colors)[0], minlength=8)
    # the hard view's error is 1, the others' map_decay of their first
    assert drawn[5].item() == pytest.approx(2_000 / 1.7, rel=0.08)


def test_a_map_of_several_sizes_is_that_of_one_size_where_they_agree() -> None:
    """Cells, and what is drawn of them, do not depend on how sizes are kept."""
    views = numbered(ball().train)
    both = [
        ErrorMapPixels(ErrorMapOptions(map_size=5), views, BOX, CPU, "auto"),
        ErrorMapPixels(ErrorMapOptions(map_size=5), views, BOX, CPU, "auto"),
    ]
    other = both[1]._cells
    other._pixels = replace(both[1]._grid, sizes=None)
    other._ends = torch.arange(1, 9) * 25
    cell, y, x = torch.arange(200), torch.linspace(0, 0.99, 200), torch.linspace(0.99, 0, 200)
    for one, two in zip(both[0]._cells.within(cell, y, x), other.within(cell, y, x), strict=True):
        assert one.tolist() == two.tolist()
