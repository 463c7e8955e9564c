"""A colour for every direction."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from effbench.nerf.fields.environment import Environment, octahedral


def directions(count: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return normalize(torch.randn(count, 3, generator=generator), dim=1)


def test_the_map_covers_the_square_once() -> None:
    axes = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    expected = torch.tensor([[1.0, 0], [0, 1], [0, 0], [-1, 0], [0, -1]])
    torch.testing.assert_close(octahedral(axes), expected)
    corner = octahedral(torch.tensor([[0.0, 0, -1]]))
    assert corner.abs().tolist() == [[1, 1]], "straight down is every corner"
    at = octahedral(directions())
    assert at.abs().max() <= 1
    cells = ((at + 1) * 4).long().clamp(0, 7)
    counts = torch.bincount(cells[:, 0] * 8 + cells[:, 1], minlength=64)
    assert counts.min() > 4000 / 64 / 3, "no part of it is much smaller than another"


def test_the_halves_meet_at_the_horizon() -> None:
    azimuth = torch.linspace(0, 6.28, 50)
    rim = torch.stack([azimuth.cos(), azimuth.sin(), torch.zeros(50)], 1)
    above, below = (octahedral(normalize(rim + torch.tensor([0, 0, z]))) for z in (1e-4, -1e-4))
    assert (above - below).abs().max() < 1e-3


def test_it_begins_grey_and_learns_any_smooth_picture() -> None:
    environment, seen = Environment(16), directions()
    assert torch.equal(environment(seen), torch.full((4000, 3), 0.5))
    wanted = 0.5 + 0.4 * seen
    optimizer = torch.optim.Adam(environment.parameters(), 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        (environment(seen) - wanted).square().mean().backward()
        optimizer.step()
    assert (environment(seen) - wanted).abs().max() < 0.1
