"""Spaces: which one a scene gets, how its cells lie in the world, and which of them are seen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.sampling.sampler import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.spaces import Box, Cascades, Contracted, Space, SpaceOptions
from effbench.nerf.sampling.spaces import build_space as build
from effbench.nerf.sampling.visibility import seen_cells
from effbench.scene import Intrinsics, Scene, Views

CPU = torch.device("cpu")
LOOKING_DOWN_Z = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3.0]], np.float32)[None]


def scene(*, inner: bool) -> Scene:
    """A camera at z = 3 that looks at the origin with a field of view of 90°."""
    views = Views(
        np.zeros((1, 8, 8, 3), np.uint8),
        LOOKING_DOWN_Z,
        Intrinsics(8, 8, 4.0, 4.0, 4.0, 4.0),
        ("a",),
    )
    box = np.array([[-4] * 3, [4] * 3], np.float32)
    middle = np.array([[-1] * 3, [1] * 3], np.float32)
    return Scene("a/b", views, views, 0.4, 1e3, box, "m", inner=middle if inner else None)


def test_a_scene_that_goes_on_is_contracted_and_others_are_a_box() -> None:
    box = build(scene(inner=False), CPU, SpaceOptions())
    assert isinstance(box, Box)
    assert box.aabb.side == 8.0
    assert box.aabb.near == pytest.approx(0.05)
    contracted = build(scene(inner=True), CPU, SpaceOptions(norm="l2"))
    assert isinstance(contracted, Contracted)
    assert contracted.aabb.side == 2.0
    assert contracted.aabb.near == pytest.approx(0.2)
    assert contracted.name == "contracted, l2"


def test_cascades_reach_as_far_as_the_box() -> None:
    found = build(scene(inner=True), CPU, SpaceOptions("cascades", cone=0.01))
    assert isinstance(found, Cascades)
    assert (found.cascades, found.aabb.side) == (3, 2.0)
    wider = replace(scene(inner=True), box=np.array([[-5] * 3, [5] * 3], np.float32))
    assert build(wider, CPU, SpaceOptions("cascades")).cascades == 4


@pytest.mark.parametrize("kind", ["contracted", "cascades"])
def test_a_scene_without_a_middle_has_nothing_beyond_it(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"space={kind} is for scenes that go on"):
        build(scene(inner=False), CPU, SpaceOptions(kind))  # type: ignore[arg-type]


def test_a_fixed_number_of_samples_does_not_go_through_cascades() -> None:
    space = build(scene(inner=True), CPU, SpaceOptions("cascades"))
    with pytest.raises(ConfigError, match="use space=contracted or space=box"):
        space.chords(Rays(torch.zeros(1, 3), torch.ones(1, 3)))


KINDS = ["box", "contracted", "cascades"]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_lie_in_the_field_where_the_grid_says_they_do(kind: str) -> None:
    """A sample's world position is that of its place in the field, by the space's own inverse."""
    space = build(scene(inner=True), CPU, SpaceOptions(kind, cone=0.02))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    origins = torch.rand(50, 3, generator=generator)
    directions = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator), dim=1)
    rays = Rays(origins, directions)
    bits = torch.full((space.cascades * 8**3 // 8,), 255, dtype=torch.uint8)
    near, jitter = torch.zeros(50), torch.rand(50, generator=generator)
    samples = space.march(rays, near, bits, 8, 0.03, jitter, 1000, "auto")
    assert len(samples) > 500
    assert ((samples.positions >= 0) & (samples.positions <= 1)).all()
    along = origins[samples.rays] + samples.t[:, None] * directions[samples.rays]
    near_enough = samples.t < 20  # beyond, the contracted cube's last bits say little
    found = space.locate(samples.positions)
    torch.testing.assert_close(found[near_enough], along[near_enough], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_sample_is_as_far_ahead_as_the_space_says(kind: str) -> None:
    space = build(scene(inner=True), CPU, SpaceOptions(kind, cone=0.02))  # type: ignore[arg-type]
    ray = Rays(torch.full((1, 3), 0.4), torch.tensor([[0.6, 0.0, 0.8]]))
    bits = torch.full((space.cascades * 8**3 // 8,), 255, dtype=torch.uint8)
    samples = space.march(ray, torch.zeros(1), bits, 8, 0.03, torch.zeros(1), 1000, "auto")
    each = Rays(*(x.expand(len(samples), 3) for x in (ray.origins, ray.directions)))
    ahead = space.ahead(each, samples.t, 0.03, 8)[:-1]
    torch.testing.assert_close(samples.t.diff(), ahead, rtol=1e-3, atol=1e-6)


class Haze(RadianceField):
    """Thin in all of the field, coloured by where a point is."""

    precision = "fp32"

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return positions

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(encoded),), 3.0), encoded

    def encode_directions(self, directions: Tensor) -> Tensor:
        return directions

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return geometry


@pytest.mark.parametrize("kind", KINDS)
def test_rendering_in_waves_goes_on_where_the_last_one_ended(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = build(scene(inner=True), CPU, SpaceOptions(kind, cone=0.02))  # type: ignore[arg-type]
    options = OccupancyOptions(resolution=8, render_steps=100, early_stop_eps=0.0)
    sampler = OccupancySampler(options, space, CPU, "auto")
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(40, 3, generator=generator), dim=1)
    rays = Rays(torch.full((40, 3), 0.5), directions)
    waves = sampler.render(rays, Haze(), torch.zeros(3))
    monkeypatch.setattr("effbench.nerf.sampling.sampler.FIRST", 1 << 20)
    at_once = sampler.render(rays, Haze(), torch.zeros(3))
    torch.testing.assert_close(waves, at_once, rtol=0, atol=1e-4)
    assert waves.min() > 0.1


def world_of(space: Space, grid: OccupancyGrid, cells: Tensor) -> Tensor:
    middle = grid.points(cells, torch.full((len(cells), 3), 0.5))
    return space.locate(middle) * space.aabb.side + space.aabb.corner


@pytest.mark.parametrize("kind", KINDS)
def test_cells_that_no_camera_sees_are_never_occupied(kind: str) -> None:
    given = scene(inner=True)
    space = build(given, CPU, SpaceOptions(kind))  # type: ignore[arg-type]
    grid = OccupancyGrid(8, 0.1, CPU, cascades=space.cascades)
    seen = seen_cells(grid, space, given.train)
    cells = torch.arange(len(seen))
    x, y, z = world_of(space, grid, cells).unbind(-1)
    before, behind = z < 3, z > 3
    wide = torch.maximum(x.abs(), y.abs())
    assert seen[before & (wide < 3 - z)].all(), "their middle is in the image"
    outermost = 4.0 if kind != "contracted" else math.inf
    margin = outermost / 4 if kind != "contracted" else 0.0  # of cells that are half in the image
    hidden = behind & (z - 3 > margin) & (wide < math.inf)
    if kind != "contracted":  # there a cell at the end of space reaches round everything
        assert not seen[hidden].any()
    grid.cull(seen)
    assert torch.equal(grid.occupied(), seen)
    assert grid.culled == pytest.approx(float((~seen).float().mean()))
    generator = torch.Generator().manual_seed(0)
    for everywhere in (True, False):
        grid.update(lambda p: torch.full((len(p),), 50.0), generator, everywhere)
        assert not grid.occupied()[~seen].any()
        assert grid.occupied()[seen].all()
    assert grid.mean() == grid.optical_depth[seen].mean()
