"""Updates of the occupancy grid that the host does not wait for: on a CPU, as a GPU does them."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.nerf.sampling.occupancy import OccupancyGrid
from tests.nerf.sampling.test_sampler import generator
from tests.nerf.sampling.test_waves import Reads

CPU = torch.device("cpu")


def upper(positions: Tensor) -> Tensor:
    return (positions[:, 2] > 0.5) * 1.0


def made(*, waits_often: bool = False) -> OccupancyGrid:
    """Return a grid of 8³ cells, the upper half of which is occupied."""
    grid = OccupancyGrid(8, step=1.0, device=CPU, backend="reference")
    grid.waits_often = waits_often
    grid.update(upper, generator(), everywhere=True)
    return grid


def test_nothing_is_read() -> None:
    for waits_often, expected in ((False, []), (True, ["nonzero"])):
        grid = made(waits_often=waits_often)
        with Reads() as reads:
            grid.update(upper, generator(), everywhere=True)
            grid.update(upper, generator(), everywhere=False)
        assert reads.names == expected


def test_a_quarter_is_drawn_anywhere_and_as_many_among_the_occupied() -> None:
    visited = made()._visit(generator())
    anywhere, drawn = visited.split(128)
    z = anywhere // 64
    assert 0.35 < (z >= 4).float().mean() < 0.65
    assert (drawn // 64 >= 4).all()


def test_every_occupied_cell_is_drawn_as_often() -> None:
    grid = OccupancyGrid(8, step=1.0, device=CPU)
    grid.bits.zero_()
    grid.bits[[0, 5, 63]] = torch.tensor([1, 128, 129], dtype=torch.uint8)
    drawn = grid._draw_occupied(torch.zeros(8000, dtype=torch.int64), generator())
    cells, counts = drawn.unique(return_counts=True)
    assert cells.tolist() == [0, 47, 504, 511]
    assert 1850 < counts.min() <= counts.max() < 2150


def test_where_nothing_is_occupied_others_are_visited() -> None:
    grid = made()
    grid.bits.zero_()
    instead = torch.tensor([3, 1, 4])
    assert torch.equal(grid._draw_occupied(instead, generator()), instead)


def test_cells_that_were_culled_are_not_drawn() -> None:
    grid = made()
    seen = torch.arange(512) % 8 < 4  # the half with lower x
    grid.cull(seen)
    assert seen[grid._visit(generator())].all()


def test_a_gpu_evaluates_more_cells_at_once() -> None:
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for waits_often, found in sizes.items():
        grid = OccupancyGrid(72, step=1.0, device=CPU)
        grid.waits_often = waits_often

        def density(positions: Tensor, found: list[int] = found) -> Tensor:
            found.append(len(positions))
            return positions[:, 0]

        grid.update(density, generator(), everywhere=True)
    assert sizes == {True: [1 << 17, 1 << 17, 72**3 - (1 << 18)], False: [72**3]}
