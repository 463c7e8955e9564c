"""Spans of occupied cells: by hand, and every backend against the reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from effbench.kernels.occupied_spans import LOOKUPS, occupied_spans

BACKENDS = ["reference", "cpu"]


def grid(*cells: tuple[int, int, int], resolution: int = 4) -> Tensor:
    """Return a grid with the cells (x, y, z) occupied."""
    occupied = torch.zeros(resolution**3, dtype=torch.uint8)
    for x, y, z in cells:
        occupied[(z * resolution + y) * resolution + x] = 1
    return occupied


def along_x(occupied: Tensor, backend: str, y: float = -0.75, z: float = 0.25) -> list[float]:
    """Return the span of a ray from x = −3 through the cube, which it enters after 2."""
    origin, direction = torch.tensor([[-3.0, y, z]]), torch.tensor([[1.0, 0.0, 0.0]])
    near, far = torch.tensor([[2.0]]), torch.tensor([[4.0]])
    spans = occupied_spans(origin, direction, near, far, occupied, backend)
    return [float(depth) for depth in spans]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_span_reaches_from_the_first_cell_to_the_last(backend: str) -> None:
    # y = −0.75 is row 0, z = 0.25 row 2; a cell is 0.5 wide: the second begins after 2.5
    assert along_x(grid((1, 0, 2)), backend) == [2.5, 3.0]
    assert along_x(grid((0, 0, 2), (3, 0, 2)), backend) == [2.0, 4.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_ray_that_meets_no_cell_has_an_empty_span(backend: str) -> None:
    enter, leave = along_x(grid((1, 1, 2), (1, 0, 1)), backend)
    assert enter == leave == 2.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_ray_without_length_has_an_empty_span(backend: str) -> None:
    one = torch.ones(1, 1)
    ray = torch.full((1, 3), 0.3)
    enter, leave = occupied_spans(ray, ray, one, one, torch.ones(64, dtype=torch.uint8), backend)
    assert float(enter) == float(leave) == 1.0


def test_backends_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    occupied = (torch.rand(16**3, generator=generator) < 0.05).to(torch.uint8)
    directions = torch.randn(2, 30, 10, 3, generator=generator)
    directions /= directions.norm(dim=-1, keepdim=True)
    origins = -2 * directions[:, :1, :1].mean((1, 2), keepdim=True)
    near = torch.rand(2, 30, 10, 1, generator=generator)
    far = near + 3 * torch.rand(2, 30, 10, 1, generator=generator)
    expected, found = (
        torch.cat(occupied_spans(origins, directions, near, far, occupied, backend), -1)
        for backend in BACKENDS
    )
    assert found.shape == (2, 30, 10, 2)
    # a lookup at the very border of a cell may fall on either side
    same = (found - expected).abs() < 1e-5
    assert same.float().mean() > 0.995
    assert ((found - expected).abs() <= 2 * (far - near) / LOOKUPS + 1e-5).float().mean() > 0.995
