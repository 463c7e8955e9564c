"""Rays through contracted space: where samples lie and what they stand for."""

from __future__ import annotations

import pytest
import torch

from effbench.nerf.sampling.contraction import ContractedChords
from effbench.nerf.sampling.rays import Aabb, Rays

AABB = Aabb(torch.tensor([-1.0, -1.0, -1.0]), 2.0, near=0.1, far=500.0)


def rays(count: int = 30) -> Rays:
    generator = torch.Generator().manual_seed(2)
    directions = torch.randn(count, 3, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    return Rays(torch.rand(count, 3, generator=generator), directions)


def test_disparity_falls_evenly_from_near_to_far() -> None:
    chords = ContractedChords.through(rays(), AABB)
    s = torch.linspace(0, 1, 9).expand(30, 9)
    t = chords.distances(s)
    assert t[0, 0] == pytest.approx(0.1)
    assert t[0, -1] == pytest.approx(500, rel=1e-4)
    torch.testing.assert_close((1 / t).diff(dim=1), torch.full((30, 8), (1 / 500 - 1 / 0.1) / 8))


def test_piecewise_spacing_is_even_up_to_one_unit_and_then_in_disparity() -> None:
    chords = ContractedChords.through(rays(1), AABB, spacing="piecewise")
    s = torch.linspace(0, 1, 101)[None]
    t = chords.distances(s)[0]
    assert t[[0, -1]].tolist() == pytest.approx([0.1, 500], rel=1e-3)
    near, far = t[t < 0.5], t[t > 0.5]
    assert len(near) == pytest.approx(45, abs=1), "near 0.1 of 0.5 leaves four fifths of a half"
    torch.testing.assert_close(near.diff(), near.diff()[:1].expand(len(near) - 1))
    disparity = (1 / far).diff()
    torch.testing.assert_close(disparity, disparity[:1].expand(len(far) - 1), rtol=1e-2, atol=0)


def test_lengths_add_up_to_what_the_path_has_in_the_field() -> None:
    """Inside the inner cube lengths are exact: half of the unit cube's, as the field's is twice."""
    inside = Aabb(AABB.corner, 2.0, near=0.01, far=0.4)
    generator = torch.Generator().manual_seed(3)
    through = Rays(torch.full((5, 3), 0.5), torch.randn(5, 3, generator=generator))
    through = Rays(through.origins, through.directions / through.directions.norm(dim=1)[:, None])
    chords = ContractedChords.through(through, inside)
    edges = torch.linspace(0, 1, 65).expand(5, 65)
    middles = (edges[:, 1:] + edges[:, :-1]) / 2
    lengths = chords.lengths(middles, edges)
    torch.testing.assert_close(lengths.sum(1), torch.full((5,), 0.39 / 2))
    steps = chords.positions(edges).view(5, 65, 3).diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(lengths, steps, rtol=1e-4, atol=1e-6)


def test_far_lengths_are_between_those_along_and_across() -> None:
    chords = ContractedChords.through(rays(), AABB)
    edges = torch.linspace(0.5, 1, 400).expand(30, 400)
    middles = (edges[:, 1:] + edges[:, :-1]) / 2
    u = chords._points(middles)
    m = u.abs().amax(-1).clamp_min(1)
    dt = chords.distances(edges).diff(dim=1) / 2
    lengths = chords.lengths(middles, edges)
    assert (lengths <= dt * (2 * m - 1) / m**2 + 1e-6).all(), "at most as much as across"
    assert (lengths >= dt / m**2 - 1e-6).all(), "at least as much as along"


def test_samples_are_packed_by_distance_and_place() -> None:
    chords = ContractedChords.through(rays(4), AABB)
    s = torch.tensor([[0.1, 0.5, 0.9]]).expand(4, 3)
    samples = chords.pack(s, torch.ones(4, 3))
    assert samples.offsets.tolist() == [0, 3, 6, 9, 12]
    torch.testing.assert_close(samples.t.view(4, 3), chords.distances(s))
    assert ((samples.positions > 0) & (samples.positions < 1)).all()
