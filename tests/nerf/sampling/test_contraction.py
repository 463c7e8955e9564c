"""Contracted space: the formula, its inverse, its volumes, and rays through it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from effbench.nerf.sampling.contraction import Disparities, contract, shrinkage
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.scene import Intrinsics, Scene, Views

AABB = Aabb(torch.tensor([-1.0, -1.0, -1.0]), 2.0, near=0.1, far=500.0, contracted=True)


def points(count: int = 200, reach: float = 50.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = reach ** torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return (torch.rand(count, 3, generator=generator, dtype=torch.float64) * 2 - 1) * scale


def test_the_inner_cube_is_the_middle_and_stays_as_it_is() -> None:
    inside = points(reach=1.0)
    torch.testing.assert_close(contract(inside), inside / 4 + 0.5)
    assert (shrinkage(inside) == 1).all()


def test_all_of_space_fits_into_the_unit_cube_and_comes_back() -> None:
    far = points(reach=1e6)
    y = contract(far) * 4 - 2
    assert (y.abs() < 2).all()
    n = y.abs().amax(1, keepdim=True)
    back = torch.where(n > 1, y / (n * (2 - n)), y)
    torch.testing.assert_close(back, far, rtol=1e-6, atol=1e-9)


def test_lengths_shrink_by_the_cube_root_of_the_determinant() -> None:
    for u in points(60):
        jacobian = torch.autograd.functional.jacobian(contract, u) * 4
        expected = float(torch.linalg.det(jacobian).abs()) ** (1 / 3)
        assert float(shrinkage(u)) == pytest.approx(expected, rel=1e-6)


def rays(count: int = 30) -> Rays:
    generator = torch.Generator().manual_seed(2)
    directions = torch.randn(count, 3, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    return Rays(torch.rand(count, 3, generator=generator), directions)


def test_disparity_falls_evenly_from_near_to_far() -> None:
    chords = Disparities.of(rays(), AABB)
    s = torch.linspace(0, 1, 9).expand(30, 9)
    t = chords.distances(s)
    assert t[0, 0] == pytest.approx(0.1)
    assert t[0, -1] == pytest.approx(500, rel=1e-4)
    torch.testing.assert_close((1 / t).diff(dim=1), torch.full((30, 8), (1 / 500 - 1 / 0.1) / 8))


def test_lengths_add_up_to_what_the_path_has_in_the_field() -> None:
    """Inside the inner cube lengths are exact: half of the unit cube's, as the field's is twice."""
    inside = Aabb(AABB.corner, 2.0, near=0.01, far=0.4, contracted=True)
    generator = torch.Generator().manual_seed(3)
    through = Rays(torch.full((5, 3), 0.5), torch.randn(5, 3, generator=generator))
    through = Rays(through.origins, through.directions / through.directions.norm(dim=1)[:, None])
    chords = Disparities.of(through, inside)
    edges = torch.linspace(0, 1, 65).expand(5, 65)
    middles = (edges[:, 1:] + edges[:, :-1]) / 2
    lengths = chords.lengths(middles, edges)
    torch.testing.assert_close(lengths.sum(1), torch.full((5,), 0.39 / 2))
    steps = chords.positions(edges).view(5, 65, 3).diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(lengths, steps, rtol=1e-4, atol=1e-6)


def test_far_lengths_are_between_those_along_and_across() -> None:
    chords = Disparities.of(rays(), AABB)
    edges = torch.linspace(0.5, 1, 400).expand(30, 400)
    middles = (edges[:, 1:] + edges[:, :-1]) / 2
    u = chords._points(middles)
    m = u.abs().amax(-1).clamp_min(1)
    dt = chords.distances(edges).diff(dim=1) / 2
    lengths = chords.lengths(middles, edges)
    assert (lengths <= dt * (2 * m - 1) / m**2 + 1e-6).all(), "at most as much as across"
    assert (lengths >= dt / m**2 - 1e-6).all(), "at least as much as along"


def test_samples_are_packed_by_distance_and_place() -> None:
    chords = Disparities.of(rays(4), AABB)
    s = torch.tensor([[0.1, 0.5, 0.9]]).expand(4, 3)
    samples = chords.pack(s, torch.ones(4, 3))
    assert samples.offsets.tolist() == [0, 3, 6, 9, 12]
    torch.testing.assert_close(samples.t.view(4, 3), chords.distances(s))
    assert ((samples.positions > 0) & (samples.positions < 1)).all()


def scene(inner: bool) -> Scene:
    views = Views(
        np.zeros((1, 8, 8, 3), np.uint8),
        np.eye(3, 4, dtype=np.float32)[None],
        Intrinsics(8, 8, 8.0, 8.0, 4.0, 4.0),
        ("a",),
    )
    box = np.array([[-4] * 3, [4] * 3], np.float32)
    middle = np.array([[-1] * 3, [1] * 3], np.float32)
    return Scene("a/b", views, views, 0.4, 1e3, box, "m", inner=middle if inner else None)


def test_a_scene_is_contracted_only_if_it_goes_on_and_the_method_can() -> None:
    device = torch.device("cpu")
    contracted = Aabb.of(scene(inner=True), device, contract=True)
    assert (contracted.contracted, contracted.side, contracted.near) == (True, 2.0, 0.2)
    for given, contract_ in ((True, False), (False, True)):
        plain = Aabb.of(scene(inner=given), device, contract=contract_)
        assert (plain.contracted, plain.side) == (False, 8.0)
        assert math.isclose(plain.near, 0.05)
