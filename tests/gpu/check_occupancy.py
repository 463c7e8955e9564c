"""Updates of the occupancy grid in Triton equal the definitions."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.occupancy import pack_bits, raise_to


@pytest.mark.parametrize("visits", [0, 1, 700])
def test_visited_cells_are_raised_and_bits_packed(
    device: torch.device, scale: int, generator: torch.Generator, visits: int
) -> None:
    ours = torch.rand(512, generator=generator, device=device)
    theirs = ours.clone()
    visits = visits if visits < 2 else visits * scale
    visited = torch.randint(512, (visits,), generator=generator, device=device)  # many twice
    values = torch.rand(visits, generator=generator, device=device)
    raise_to(ours, visited, values, "triton")
    raise_to(theirs, visited, values, "reference")
    assert torch.equal(ours, theirs)
    threshold = ours.mean()
    bits = pack_bits(ours, threshold, "triton")
    assert torch.equal(bits, pack_bits(ours, threshold, "reference"))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nan_stays_nan(device: torch.device, sign: float) -> None:
    """Whatever its sign; nothing exceeds a threshold that is none."""
    visited = torch.tensor([2, 2, 5], device=device)
    values = torch.tensor([0.5, math.copysign(math.nan, sign), 0.5], device=device)
    found = []
    for backend in ("triton", "reference"):
        cells = torch.full((8,), 0.1, device=device)
        raise_to(cells, visited, values, backend)
        bits = [pack_bits(cells, t, backend).item() for t in (cells[0], cells[2])]
        found.append((cells.nan_to_num(-1).tolist(), bits))
    assert found[0] == found[1]
    assert found[0][0][2] == -1
    assert found[0][1] == [1 << 5, 0]
