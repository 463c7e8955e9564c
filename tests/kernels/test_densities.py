"""Densities at points in one pass, against their parts."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.densities import density_at, density_at_reference
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.ray_rendering import HashNetworks
from effbench.machine import threads

CHUNK = 2048  # points that the kernel takes at once, 8 at a time


def field(levels: int = 4, hidden: int = 32, outputs: int = 16) -> HashNetworks:
    generator = torch.Generator().manual_seed(0)
    layout = HashLayout(levels, 10, 4, 64)
    table = torch.randn(layout.rows, 2, generator=generator)
    first = torch.randn(hidden, layout.width, generator=generator) * 0.5
    second = torch.randn(outputs, hidden, generator=generator) * 0.3
    third = [torch.empty(3, 3)] * 3
    return HashNetworks(table, layout, (first, second), (third[0], third[1], third[2]))


@pytest.mark.parametrize("count", [0, 1, 7, 8, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 9])
def test_they_are_those_of_the_parts(count: int) -> None:
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(1))
    for networks in (field(), field(levels=3, hidden=24, outputs=1)):
        expected = density_at_reference(points, networks)
        torch.testing.assert_close(density_at(points, networks, "cpu"), expected, rtol=1e-4, atol=0)


def test_any_number_of_threads_finds_the_same() -> None:
    points = torch.rand(10_000, 3, generator=torch.Generator().manual_seed(1))
    found = []
    for count in (1, 2, 4):
        with threads.at_most(count):
            found.append(density_at(points, field(), "cpu"))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_nan_stays() -> None:
    points, networks = torch.rand(20, 3), field()
    networks.density[0][0, 0] = torch.nan
    assert density_at(points, networks, "cpu").isnan().all()
