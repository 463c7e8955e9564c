"""Training pixels to rays and colours, in one pass."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.pixels import Pictures, look_up
from effbench.scene import Intrinsics

VIEWS, HEIGHT, WIDTH = 5, 7, 9


def pictures(channels: int) -> Pictures:
    generator = torch.Generator().manual_seed(0)
    size = (VIEWS * HEIGHT * WIDTH, channels)
    colors = torch.randint(256, size, generator=generator).to(torch.uint8)
    poses = torch.randn(VIEWS, 3, 4, generator=generator)
    camera = Intrinsics(WIDTH, HEIGHT, 25.0, 26.0, 4.5, 3.0)
    return Pictures(colors, poses, camera, HEIGHT, WIDTH, torch.tensor([-1.0, 0.5, 2.0]), 2.5)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("count", [0, 1, 700])
def test_numba_equals_the_definition(count: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(1)
    pixel = torch.randint(VIEWS * HEIGHT * WIDTH, (count,), generator=generator)
    own = look_up(pictures(channels), pixel, "cpu")
    expected = look_up(pictures(channels), pixel, "reference")
    for mine, other in zip(own, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)


def test_the_last_pixel_is_of_the_last_view() -> None:
    data = pictures(3)
    origins, _, colors = look_up(data, torch.tensor([VIEWS * HEIGHT * WIDTH - 1]), "cpu")
    torch.testing.assert_close(origins[0], (data.poses[-1, :, 3] - data.corner) / data.side)
    torch.testing.assert_close(colors[0], data.colors[-1].float() / 255)
