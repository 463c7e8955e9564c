"""Updates of the occupancy grid: by hand, and the CPU's against the definition."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.occupancy import pack_bits, raise_to

BACKENDS = pytest.mark.parametrize("backend", ["reference", "cpu"])


@BACKENDS
def test_a_cell_takes_the_largest_of_its_values(backend: str) -> None:
    cells = torch.tensor([0.5, 0.5, 0.0])
    raise_to(cells, torch.tensor([0, 2, 2, 1]), torch.tensor([0.4, 0.3, 0.1, 0.6]), backend)
    assert cells.tolist() == torch.tensor([0.5, 0.6, 0.3]).tolist()


@BACKENDS
def test_nan_stays(backend: str) -> None:
    cells = torch.tensor([0.5, torch.nan])
    raise_to(cells, torch.tensor([0, 0, 1]), torch.tensor([torch.nan, 1.0, 2.0]), backend)
    assert cells.isnan().all()


@BACKENDS
def test_bits_are_packed_lowest_first(backend: str) -> None:
    cells = torch.zeros(16)
    cells[[0, 3, 15]] = 0.2
    cells[1] = 0.1  # not above the threshold
    assert pack_bits(cells, torch.tensor(0.1), backend).tolist() == [0b1001, 0b10000000]


def test_both_ways_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(4096, generator=generator)
    visited = torch.randint(4096, (9000,), generator=generator)
    values = torch.rand(9000, generator=generator)
    found = {name: cells.clone() for name in ("reference", "cpu")}
    for name, own in found.items():
        raise_to(own, visited, values, name)
    assert torch.equal(found["reference"], found["cpu"])
    mean = cells.mean()
    assert torch.equal(pack_bits(cells, mean, "reference"), pack_bits(cells, mean, "cpu"))
