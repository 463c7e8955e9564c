"""Updates of the occupancy grid, by hand."""

from __future__ import annotations

import torch

from effbench.kernels.occupancy import pack_bits, raise_to


def test_a_cell_takes_the_largest_of_its_values() -> None:
    cells = torch.tensor([0.5, 0.5, 0.0])
    raise_to(cells, torch.tensor([0, 2, 2, 1]), torch.tensor([0.4, 0.3, 0.1, 0.6]))
    assert cells.tolist() == torch.tensor([0.5, 0.6, 0.3]).tolist()


def test_bits_are_packed_lowest_first() -> None:
    cells = torch.zeros(16)
    cells[[0, 3, 15]] = 0.2
    cells[1] = 0.1  # not above the threshold
    assert pack_bits(cells, torch.tensor(0.1)).tolist() == [0b1001, 0b10000000]
