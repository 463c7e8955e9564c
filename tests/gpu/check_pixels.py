"""Rays and colours of training pixels in Triton equal the definition."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.pixels import Pictures, look_up
from effbench.scene import Intrinsics


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("count", [0, 1, 333])
def test_rays_and_colours(
    device: torch.device, scale: int, generator: torch.Generator, count: int, channels: int
) -> None:
    count = count if count < 2 else count * scale
    views, height, width = 5, 7, 9
    pixels = views * height * width
    size = (pixels, channels)
    colors = torch.randint(256, size, generator=generator, device=device).to(torch.uint8)
    poses = torch.randn(views, 3, 4, generator=generator, device=device)
    camera = Intrinsics(width, height, 25.0, 26.0, 4.5, 3.0)
    corner = torch.tensor([-1.0, 0.5, 2.0], device=device)
    pictures = Pictures(colors, poses, camera, height, width, corner, 2.5)
    pixel = torch.randint(pixels, (count,), generator=generator, device=device)
    ours, theirs = (look_up(pictures, pixel, backend) for backend in ("triton", "reference"))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
