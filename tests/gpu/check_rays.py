"""Rays and spherical harmonics in Triton equal the definitions."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.rays import generate_rays, spherical_harmonics
from effbench.scene import Intrinsics


@pytest.mark.parametrize("count", [0, 1, 333])
def test_rays_and_harmonics(
    device: torch.device, scale: int, generator: torch.Generator, count: int
) -> None:
    count = count if count < 2 else count * scale
    poses = torch.randn(5, 3, 4, generator=generator, device=device)
    camera = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
    view, x, y = (
        torch.randint(n, (count,), generator=generator, device=device) for n in (5, 20, 30)
    )
    ours = generate_rays(poses, camera, view, x, y, "triton")
    theirs = generate_rays(poses, camera, view, x, y, "reference")
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    harmonics = spherical_harmonics(ours[1], "triton")
    assert harmonics.shape == (count, 16)
    expected = spherical_harmonics(ours[1], "reference")
    torch.testing.assert_close(harmonics, expected, rtol=1e-5, atol=1e-6)
    half = spherical_harmonics(ours[1], "triton", torch.bfloat16)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), harmonics, rtol=8e-3, atol=1e-6)


def test_harmonics_of_directions_that_are_learnt_have_a_gradient(device: torch.device) -> None:
    direction = torch.tensor([[0.0, 0.6, 0.8]], device=device, requires_grad=True)
    spherical_harmonics(direction, "triton").sum().backward()
    assert direction.grad is not None
