"""Rays through pixels, and spherical harmonics."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.rays import generate_rays, spherical_harmonics
from effbench.scene import Intrinsics

CAMERA = Intrinsics(width=4, height=2, fx=2.0, fy=2.0, cx=2.0, cy=1.0)
IDENTITY = torch.eye(4)[None, :3]


def pixels(*xy: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, y = torch.tensor(xy).unbind(1)
    return torch.zeros_like(x), x, y


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_pixel_is_seen_through_its_centre_with_y_up(backend: str) -> None:
    pose = IDENTITY.clone()
    pose[0, :, 3] = torch.tensor([1.0, 2.0, 3.0])
    origins, directions = generate_rays(pose, CAMERA, *pixels((0, 0), (3, 1)), backend)
    # pixel (0, 0) has its centre at (0.5, 0.5): camera direction (−0.75, 0.25, −1)
    length = math.sqrt(0.75**2 + 0.25**2 + 1)
    expected = [-0.75 / length, 0.25 / length, -1 / length]
    assert directions[0].tolist() == pytest.approx(expected)
    assert directions[1].tolist() == pytest.approx([-expected[0], -expected[1], expected[2]])
    assert origins.tolist() == [[1, 2, 3], [1, 2, 3]]


def test_numba_equals_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    poses = torch.randn(5, 3, 4, generator=generator)
    camera = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
    view, x, y = (torch.randint(n, (100,), generator=generator) for n in (5, 20, 30))
    fast = generate_rays(poses, camera, view, x, y, "cpu")
    slow = generate_rays(poses, camera, view, x, y, "reference")
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_harmonics_in_numba_equal_the_definition(count: int) -> None:
    directions = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    directions /= directions.norm(dim=1, keepdim=True)
    expected = spherical_harmonics(directions, "reference")
    torch.testing.assert_close(spherical_harmonics(directions, "cpu"), expected)
    half = spherical_harmonics(directions, "cpu", torch.bfloat16)
    torch.testing.assert_close(half, expected.bfloat16(), rtol=1e-2, atol=1e-2)


def test_spherical_harmonics_are_orthonormal_on_the_sphere() -> None:
    # Gauss–Legendre in cos θ and equal steps in φ integrate degree 6 exactly
    nodes = torch.tensor([-0.8611363116, -0.3399810436, 0.3399810436, 0.8611363116]).double()
    weights = torch.tensor([0.3478548451, 0.6521451549, 0.6521451549, 0.3478548451]).double()
    phi = torch.arange(8).double() * (2 * math.pi / 8)
    z = nodes[:, None].expand(4, 8)
    r = (1 - z * z).sqrt()
    directions = torch.stack([r * phi.cos(), r * phi.sin(), z], -1).view(-1, 3)
    harmonics = spherical_harmonics(directions)
    area = (weights[:, None] * (2 * math.pi / 8)).expand(4, 8).reshape(-1, 1)
    gram = harmonics.T @ (area * harmonics)
    torch.testing.assert_close(gram, torch.eye(16).double(), rtol=0, atol=1e-6)
