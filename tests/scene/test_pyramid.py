"""Views at a fraction of their resolution: means of blocks, seen along the rays through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels.rays import generate_rays
from effbench.scene.pyramid import downscaled
from tests.nerf_scene import ball, mixed_ball


def test_a_pixel_is_the_mean_of_its_block_seen_through_the_middle_of_that() -> None:
    views = mixed_ball().train  # 20×12 and 12×20: of 5 columns or rows the fifth fills no block
    small = downscaled(views, 8)
    assert small.sizes == [(2, 1), (1, 2)] * 4
    whole = views.image(1)[8:16, :8].astype(float)
    alpha = whole[..., 3].mean()
    assert small.image(1)[1, 0, 3] == round(alpha)
    pose, camera, reduced = torch.tensor(views.poses[1:2]), views.cameras[1], small.cameras[1]
    at = torch.zeros(1, dtype=torch.int64)
    _, found = generate_rays(pose, reduced, at, at, at + 1, "reference")
    x, y = np.array([4.0, 12.0]) - 0.5  # of the block's middle, as the place of a pixel
    where = torch.tensor([[x, y]])
    plane = (where + 0.5 - torch.tensor([camera.cx, camera.cy])) / torch.tensor(
        [camera.fx, camera.fy]
    )
    local = torch.tensor([plane[0, 0], -plane[0, 1], -1.0]).float()
    expected = pose[0, :, :3] @ local
    torch.testing.assert_close(found[0], expected / expected.norm())


def test_images_without_a_block_are_refused() -> None:
    with pytest.raises(ConfigError, match="16×16 have no blocks of 32×32 pixels"):
        downscaled(ball().train, 32)
