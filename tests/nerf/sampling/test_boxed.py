"""The cells of a box, as the grid of a field in contracted space or in cascades has them."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.occupancy import pack_bits
from effbench.nerf.sampling.boxed import boxed_bits
from effbench.nerf.sampling.occupancy import OccupancyGrid, unpack
from effbench.nerf.sampling.rays import Aabb
from effbench.nerf.sampling.spaces import Box, Cascades, Contracted, Space

SIDE = 16
INNER = Aabb(torch.full((3,), -1.0), 2.0, 0.1, 1e3)
OUTER = Aabb(torch.full((3,), -4.0), 8.0, 0.1, 1e3)
SPACES = [Contracted(INNER), Contracted(INNER, "l2"), Cascades(INNER, 3)]


def ball(space: Space, at: float) -> torch.Tensor:
    """Return the bits of a grid of which the cells within 0.8 of (at, 0, 0) are occupied."""
    grid = OccupancyGrid(SIDE, 0.1, torch.device("cpu"), cascades=space.cascades)
    cells = torch.arange(len(grid.optical_depth))
    world = space.aabb.world(space.locate(grid.points(cells, torch.full((len(cells), 3), 0.5))))
    inside = (world - torch.tensor([at, 0.0, 0.0])).norm(dim=-1) < 0.8
    return pack_bits(inside.float(), torch.tensor(0.5))


def middles(where: torch.Tensor) -> torch.Tensor:
    """Return the middles of the occupied cells of the box's grid, in the world."""
    grid = OccupancyGrid(SIDE, 0.1, torch.device("cpu"))
    cells = where.nonzero()[:, 0]
    return OUTER.world(grid.points(cells, torch.full((len(cells), 3), 0.5)))


@pytest.mark.parametrize("at", [0.0, 2.5])
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_a_ball_is_where_it_was(space: Space, at: float) -> None:
    found = unpack(boxed_bits(ball(space, at), space, OUTER))
    assert found.shape == (SIDE**3,)
    distance = (middles(found) - torch.tensor([at, 0.0, 0.0])).norm(dim=-1)
    everything = (middles(torch.ones(SIDE**3)) - torch.tensor([at, 0.0, 0.0])).norm(dim=-1)
    assert distance.max() < 0.8 + 1.5, "no further than a cell of either grid"
    assert found[everything < 0.5].all()
    assert 0 < found.float().mean() < 0.1


def test_a_box_keeps_its_bits() -> None:
    bits = ball(Box(OUTER), 1.0)
    inside, found = unpack(bits), unpack(boxed_bits(bits, Box(OUTER), OUTER))
    assert torch.equal(found, inside), "corners are looked up a little inside of their cell"


def test_the_innermost_cascade_that_holds_a_point_is_asked() -> None:
    grid = OccupancyGrid(8, 0.1, torch.device("cpu"), cascades=2)
    cells = torch.arange(2 * 8**3)
    grid.bits.copy_(pack_bits((cells < 8**3).float(), torch.tensor(0.5)))
    inner, outer = [0.3, 0.5, 0.7], [0.2, 0.5, 0.5]  # the inner cascade reaches from 1/4 to 3/4
    assert grid.occupied_at(torch.tensor([inner, outer])).tolist() == [True, False]
