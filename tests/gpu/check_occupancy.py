"""Updates of the occupancy grid in Triton equal the definitions."""

from __future__ import annotations

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
