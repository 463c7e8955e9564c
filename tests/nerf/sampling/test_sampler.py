"""Occupancy grid, samplers and rays in the unit cube."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from effbench.kernels.compaction import keep_selected
from effbench.kernels.marching import march
from effbench.kernels.rays import generate_rays
from effbench.kernels.volume_rendering import composite
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.sampling.rays import Aabb, Rays, TrainingPixels, camera_rays
from effbench.nerf.sampling.spaces import Box
from tests.nerf_scene import CAMERA, ball, look_at_origin

CPU = torch.device("cpu")
CUBE = Aabb.of(ball().box, ball(), CPU)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Ball(RadianceField):
    """Density 40 within radius 0.3 of the cube's centre; coloured by position."""

    def encode(self, positions: torch.Tensor, encoded: torch.Tensor | None = None) -> torch.Tensor:
        return positions if encoded is None else encoded

    def density(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inside = (encoded - 0.5).norm(dim=1) < 0.3
        return inside * 40.0, encoded

    def encode_directions(self, directions: torch.Tensor) -> torch.Tensor:
        return directions

    def color(self, geometry: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        return geometry


class TestUnitCube:
    def test_the_box_fills_the_cube_and_directions_stay_unit(self) -> None:
        rays = CUBE.rays(torch.tensor([[-1.5, 0.0, 1.5]]), torch.tensor([[0.0, 1.0, 0.0]]))
        assert rays.origins.tolist() == [[0.0, 0.5, 1.0]]
        assert rays.directions.norm(dim=1).tolist() == [1.0]
        assert (CUBE.near, CUBE.far) == pytest.approx((2 / 3, 2))

    def test_the_camera_looks_at_the_cubes_centre(self) -> None:
        pose = torch.from_numpy(look_at_origin(0.7))
        rays = camera_rays(pose, CAMERA, CUBE, "auto")
        middle = rays.directions.view(16, 16, 3)[7:9, 7:9].mean((0, 1))
        seen = rays.origins[0] + middle * (4 / 3)
        assert seen.tolist() == pytest.approx([0.5, 0.5, 0.5], abs=1e-2)


def test_training_pixels_come_with_their_own_rays() -> None:
    views = ball().train
    images = np.arange(8 * 256, dtype=np.int64).reshape(8, 16, 16)
    coded = np.stack([images % 251, images // 251, images % 7, images * 0 + 255], -1)
    from dataclasses import replace

    pixels = TrainingPixels(replace(views, images=coded.astype(np.uint8)), CUBE, CPU, "auto")
    rays, colors = pixels.sample(200, generator())
    code = (colors * 255).round().long()
    pixel = code[:, 1] * 251 + code[:, 0]
    view, y, x = pixel // 256, pixel // 16 % 16, pixel % 16
    poses = torch.from_numpy(views.poses)
    expected = CUBE.rays(*generate_rays(poses, CAMERA, view, x, y))
    torch.testing.assert_close(rays.origins, expected.origins)
    torch.testing.assert_close(rays.directions, expected.directions)
    assert len(torch.unique(pixel)) > 150


class TestOccupancyGrid:
    def test_only_cells_that_hold_something_stay_occupied(self) -> None:
        grid = OccupancyGrid(8, step=0.01, device=CPU)
        assert grid.occupied().all()
        grid.update(lambda p: (p[:, 0] > 0.5) * 100.0, generator(), everywhere=True)
        x = torch.arange(8**3) % 8
        assert torch.equal(grid.occupied(), x >= 4)

    def test_an_emptied_cell_is_dropped_once_its_maximum_has_decayed(self) -> None:
        grid = OccupancyGrid(8, step=1.0, device=CPU)
        grid.update(lambda p: torch.full((len(p),), 0.02), generator(), everywhere=True)
        updates = 0
        while grid.optical_depth.max() > 0.01:
            grid.update(lambda p: torch.zeros(len(p)), generator(), everywhere=True)
            updates += 1
        assert updates == math.ceil(math.log(0.5) / math.log(0.95))

    def test_a_partial_update_visits_a_quarter_and_as_many_occupied_cells(self) -> None:
        grid = OccupancyGrid(8, step=1.0, device=CPU)
        grid.update(lambda p: (p[:, 2] > 0.5) * 1.0, generator(), everywhere=True)
        visited = []

        def density(positions: torch.Tensor) -> torch.Tensor:
            visited.append(positions)
            return torch.ones(len(positions))

        grid.update(density, generator(), everywhere=False)
        points = torch.cat(visited)
        assert len(points) == 2 * 8**3 // 4
        upper = (points[:, 2] > 0.5).float().mean()  # half of the random, all of the others
        assert 0.65 < upper < 0.85

    def test_state_is_what_rendering_needs(self) -> None:
        grid, other = (OccupancyGrid(8, 0.01, CPU) for _ in range(2))
        grid.update(lambda p: (p[:, 1] > 0.5) * 100.0, generator(), everywhere=True)
        other.load_state(grid.state())
        assert torch.equal(other.occupied(), grid.occupied())


def ball_rays(count: int) -> Rays:
    pose = torch.from_numpy(look_at_origin(0.3))
    index = torch.randint(256, (count,), generator=generator())
    return camera_rays(pose, CAMERA, CUBE, "auto").select(index)


def _one_ray() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return origin, direction and near of a ray along x through the cube."""
    return torch.tensor([[-1.0, 0.5, 0.5]]), torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1)


class TestOccupancySampler:
    def sampler(self, **options: object) -> OccupancySampler:
        chosen = OccupancyOptions(resolution=16, steps=400, render_steps=400, **options)  # type: ignore[arg-type]
        return OccupancySampler(chosen, Box(CUBE), CPU, "auto")

    def test_rendering_in_waves_equals_rendering_all_samples_at_once(self) -> None:
        rays, field, sampler = ball_rays(200), Ball(), self.sampler(early_stop_eps=0.0)
        background = torch.tensor([0.2, 0.4, 0.6])
        fast = sampler.render(rays, field, background)
        grid, jitter = sampler.grid, torch.full((200,), 0.5)
        near = torch.full((200,), CUBE.near)
        samples = march(
            rays.origins, rays.directions, near, grid.bits, 16, sampler.step, jitter, 1000, CUBE.far
        )
        optical_depth = field.density(samples.positions)[0] * samples.deltas
        behind = background.expand(200, 3).contiguous()
        slow, opacity = composite(optical_depth, samples.positions, samples.offsets, behind)
        assert 0.1 < (opacity > 0.9).float().mean() < 0.9
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-3)

    def test_early_termination_changes_colours_by_no_more_than_its_threshold(self) -> None:
        rays, background = ball_rays(200), torch.ones(3)
        exact = self.sampler(early_stop_eps=0.0).render(rays, Ball(), background)
        early = self.sampler(early_stop_eps=1e-4).render(rays, Ball(), background)
        torch.testing.assert_close(early, exact, rtol=0, atol=1e-3)

    def test_compaction_drops_samples_behind_the_surface_and_keeps_the_colour(self) -> None:
        rays, field = ball_rays(300), Ball()
        placed = {
            kind: self.sampler(compaction=kind).place(rays, field, generator(1))
            for kind in ("none", "transmittance")
        }
        colors = {}
        for kind, result in placed.items():
            samples = result.samples
            optical_depth = field.density(samples.positions)[0] * samples.deltas
            black = torch.zeros(300, 3)
            colors[kind] = composite(optical_depth, samples.positions, samples.offsets, black)[0]
        assert len(placed["transmittance"].samples) < 0.9 * len(placed["none"].samples)
        torch.testing.assert_close(colors["transmittance"], colors["none"], rtol=0, atol=2e-4)
        kept = placed["transmittance"]
        assert kept.encoded is not None
        assert torch.equal(kept.encoded, kept.samples.positions)

    def test_low_weight_drops_transparent_samples_too(self) -> None:
        rays, field = ball_rays(300), Ball()
        behind, both = (
            self.sampler(compaction=kind, alpha_threshold=0.01)
            for kind in ("transmittance", "low-weight")
        )
        both.grid.optical_depth.fill_(0.02)
        visible = behind.place(rays, field, generator(1))
        kept = both.place(rays, field, generator(1))
        opaque = field.density(visible.samples.positions)[0] > 0
        assert 0.02 < opaque.float().mean() < 0.5
        expected = keep_selected(visible.samples, opaque)[0]
        assert torch.equal(kept.samples.positions, expected.positions)
        assert torch.equal(kept.samples.offsets, expected.offsets)
        assert kept.encoded is not None
        assert torch.equal(kept.encoded, kept.samples.positions)

    @pytest.mark.parametrize(("threshold", "mean"), [(0.1, 0.5), (0.5, 0.1)])
    def test_low_weight_asks_for_no_more_alpha_than_the_grids_mean(
        self, threshold: float, mean: float
    ) -> None:
        sampler = self.sampler(compaction="low-weight", alpha_threshold=threshold)
        sampler.grid.optical_depth.fill_(mean)
        samples = march(*_one_ray(), sampler.grid.bits, 16, sampler.step, torch.zeros(1), 4)
        alpha = torch.tensor([0.05, 0.09, 0.11, 0.4])
        kept, index = sampler._compact(samples, -torch.log1p(-alpha))
        assert index.tolist() == [2, 3]
        assert kept.offsets.tolist() == [0, 2]

    def test_before_the_grid_knows_anything_low_weight_drops_nothing_visible(self) -> None:
        rays, field = ball_rays(300), Ball()
        behind, both = (
            self.sampler(compaction=kind).place(rays, field, generator(1)).samples
            for kind in ("transmittance", "low-weight")
        )
        assert torch.equal(behind.positions, both.positions)

    def test_an_empty_grid_renders_the_background(self) -> None:
        sampler = self.sampler()
        sampler.grid.bits.zero_()
        background = torch.tensor([0.1, 0.2, 0.3])
        color = sampler.render(ball_rays(10), Ball(), background)
        torch.testing.assert_close(color, background.expand(10, 3))


class TestHierarchicalSampler:
    def test_samples_are_sorted_and_fill_the_ray_from_near_to_far(self) -> None:
        sampler = HierarchicalSampler(16, 32, Box(CUBE), "auto")
        samples = sampler.place(ball_rays(50), Ball(), generator()).samples
        counts = samples.offsets.diff()
        assert set(counts.tolist()) <= {0, 48}
        t = samples.t.view(-1, 48)
        assert (t.diff(dim=1) >= 0).all()
        assert (samples.deltas >= 0).all()
        assert 0 <= samples.positions.min() <= samples.positions.max() <= 1

    def test_both_samplers_agree_on_what_a_ball_looks_like(self) -> None:
        rays, background = ball_rays(200), torch.ones(3)
        fine = HierarchicalSampler(64, 128, Box(CUBE), "auto").render(rays, Ball(), background)
        options = OccupancyOptions(resolution=16, steps=1024)
        steps = OccupancySampler(options, Box(CUBE), CPU, "auto").render(rays, Ball(), background)
        assert (fine - steps).abs().mean() < 0.01

    def test_rays_beside_the_cube_show_the_background(self) -> None:
        away = Rays(torch.tensor([[5.0, 5.0, 5.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
        sampler = HierarchicalSampler(8, 8, Box(CUBE), "auto")
        assert sampler.render(away, Ball(), torch.ones(3)).tolist() == [[1, 1, 1]]
