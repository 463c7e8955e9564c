"""Depth and opacity of rays: what a slab of known density gives, through every sampler."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from effbench.kernels.contraction import contract
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler, Sampler
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.sampling.proposal import ProposalOptions, ProposalSampler
from effbench.nerf.sampling.ray_maps import ray_maps
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box, Contracted, Space
from tests.nerf_scene import ball

CPU = torch.device("cpu")
CUBE = Box(Aabb.of(ball().box, ball(), CPU))  # of ±1.5 in the world: its side is 3
INNER = Contracted(Aabb(torch.tensor([-1.0, -1.0, -1.0]), 2.0, near=0.5, far=50.0))


class Slab(RadianceField):
    """One density for first < x < last, in the field's unit cube."""

    def __init__(self, first: float, last: float, density: float) -> None:
        super().__init__()
        self.first, self.last, self.value = first, last, density

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return positions

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        x = encoded[:, 0]
        return ((x > self.first) & (x < self.last)) * self.value, encoded

    def encode_directions(self, directions: Tensor) -> Tensor:
        return directions

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        raise AssertionError("maps do not need a colour")


def sampler(kind: str, space: Space) -> Sampler:
    if kind == "occupancy":
        march = OccupancyOptions(resolution=8, render_steps=2048, early_stop_eps=0.0)
        return OccupancySampler(march, space, CPU, "auto")
    if kind == "hierarchical":
        return HierarchicalSampler(512, 512, space, "auto")
    options = ProposalOptions(proposal_samples=(64,), field_samples=1024, proposal_levels=2)
    return ProposalSampler(options, space, CPU, "auto", seed=0)


def along_x(count: int, x: float) -> Rays:
    """Return rays along x that begin at `x` and cross the middle of the cube."""
    origins = torch.tensor([[x, 0.5, 0.5]]).repeat(count, 1)
    origins[:, 1] += torch.linspace(-0.2, 0.2, count)
    return Rays(origins, torch.tensor([[1.0, 0.0, 0.0]]).repeat(count, 1))


@pytest.mark.parametrize("kind", ["occupancy", "hierarchical", "proposal"])
def test_a_faint_slab_has_the_mean_distance_of_its_exponential(kind: str) -> None:
    """τ = 1 over a tenth of the cube: Σw = 1 − 1/e, mean depth 0.1·(1 − 1/(e − 1)) behind it."""
    depth, opacity = ray_maps(sampler(kind, CUBE), along_x(4, -1.0), Slab(0.6, 0.7, 10.0), CUBE)
    behind = 0.1 * (1 - 1 / (math.e - 1))
    assert depth.tolist() == pytest.approx([3 * (1.6 + behind)] * 4, abs=0.01)
    assert opacity.tolist() == pytest.approx([1 - 1 / math.e] * 4, abs=0.01)


def test_a_ray_that_meets_nothing_ends_nowhere() -> None:
    empty = Slab(2.0, 3.0, 10.0)
    depth, opacity = ray_maps(sampler("occupancy", CUBE), along_x(3, -1.0), empty, CUBE)
    assert opacity.tolist() == [0, 0, 0]
    assert torch.isinf(depth).all()


def test_distances_beyond_the_inner_cube_are_the_worlds() -> None:
    """A wall 9 units from the middle of an inner cube of ±1, seen from that middle."""
    first, last = (float(contract(torch.tensor([x, 0.0, 0.0]))[0]) for x in (9.0, 40.0))
    wall = Slab(first, last, 1e4)
    rays = Rays(torch.full((1, 3), 0.5), torch.tensor([[1.0, 0.0, 0.0]]))
    depth, opacity = ray_maps(sampler("proposal", INNER), rays, wall, INNER)
    assert 9 <= float(depth) < 9.3
    assert float(opacity) == pytest.approx(1, abs=1e-3)
