"""Rays of a light field: through the pixels they stand for, with points where they belong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from effbench.kernels.rays import generate_rays
from effbench.nerf.nelf_network import NeLFShape, build
from effbench.nerf.nelf_rays import LightField, RayEncoder, camera_directions
from effbench.scene import Intrinsics
from tests.nerf_scene import CAMERA, ball, look_at_origin

SHAPE = NeLFShape.regular(points=4, frequencies=2, width=8, depth=4, sr_widths=(4,))
POSES = torch.from_numpy(np.stack([look_at_origin(0.3), look_at_origin(2.0)]))


def points(encoded: torch.Tensor, count: int = 4) -> torch.Tensor:
    """Return the identity part [V, h, w, P, 3] of encoded rays."""
    return encoded[:, : 3 * count].permute(0, 2, 3, 1).unflatten(3, (count, 3))


def test_a_ray_goes_through_the_middle_of_its_block() -> None:
    camera = Intrinsics(width=6, height=4, fx=5.0, fy=7.0, cx=2.5, cy=1.75)
    found = camera_directions(camera, 2)
    assert found.shape == (2, 3, 3)
    # Block (row 1, column 2) is pixels 4–5 × 2–3; its middle is at (5, 3).
    expected = torch.tensor([(5 - 2.5) / 5, -(3 - 1.75) / 7, -1.0])
    torch.testing.assert_close(found[1, 2], expected / expected.norm())


def test_without_stages_rays_are_those_of_the_pixels() -> None:
    view, pixel = torch.zeros(256, dtype=torch.int64), torch.arange(256)
    x, y = pixel % 16, pixel // 16
    _, expected = generate_rays(POSES, CAMERA, view, x, y, "reference")
    camera = camera_directions(CAMERA, 1).reshape(-1, 3)
    torch.testing.assert_close(camera @ POSES[0, :, :3].T, expected)


def test_points_divide_the_ray_from_near_to_far() -> None:
    found = points(RayEncoder(SHAPE, ball(), CAMERA)(POSES)) * 1.5  # in world units
    distances = (found - POSES[:, None, None, None, :, 3]).norm(dim=-1)
    expected = torch.tensor([2.5, 3.5, 4.5, 5.5]).expand_as(distances)
    torch.testing.assert_close(distances, expected)


def test_points_divide_the_ray_inside_the_box() -> None:
    scene = replace(ball(), box=np.array([[-0.5, -0.75, -1.0], [0.5, 0.75, 1.0]], np.float32))
    pose = torch.from_numpy(look_at_origin(0.0))[None]  # along −x
    camera = Intrinsics(width=2, height=2, fx=50.0, fy=50.0, cx=1.0, cy=1.0)
    found = points(RayEncoder(SHAPE, scene, camera, "box")(pose))[0, 0, 0]
    # enters at x = 0.5, leaves at x = −0.5; the longest half side is 1
    torch.testing.assert_close(
        found, torch.tensor([[x, 0, 0] for x in (0.375, 0.125, -0.125, -0.375)])
    )


def test_points_of_a_ray_that_misses_the_box_are_one_point_outside() -> None:
    encoder = RayEncoder(SHAPE, replace(ball(), box=ball().box / 3), CAMERA, "box")
    found = points(encoder(POSES[:1]))[0]
    corner = found[0, 0]
    assert (corner == corner[0]).all()
    assert corner[0].abs().max() > 1
    middle = found[4, 4]
    assert (middle.abs() < 1).all()
    assert torch.isfinite(found).all()


def test_jitter_moves_points_inside_their_strata() -> None:
    encoder = RayEncoder(SHAPE, ball(), CAMERA)
    least = points(encoder(POSES, torch.full((2, 8, 8, 4), -0.5)))
    most = points(encoder(POSES, torch.full((2, 8, 8, 4), 0.5)))
    torch.testing.assert_close(least[..., 1:, :], most[..., :-1, :])


def test_frequencies_follow_the_points() -> None:
    encoded = RayEncoder(SHAPE, ball(), CAMERA)(POSES)
    assert encoded.shape == (2, SHAPE.channels, 8, 8)
    assert encoded.is_contiguous(memory_format=torch.channels_last)
    place = encoded[:, :12]
    for octave in range(2):
        wave = 2**octave * math.pi * place
        sine = encoded[:, 12 * (2 * octave + 1) : 12 * (2 * octave + 2)]
        cosine = encoded[:, 12 * (2 * octave + 2) : 12 * (2 * octave + 3)]
        torch.testing.assert_close(sine, wave.sin(), atol=1e-5, rtol=0)
        torch.testing.assert_close(cosine, wave.cos(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (15, 9)])
def test_a_light_field_gives_images_of_the_cameras_size(width: int, height: int) -> None:
    camera = Intrinsics(width, height, 22.0, 22.0, width / 2, height / 2)
    field = LightField(RayEncoder(SHAPE, ball(), camera), build(SHAPE, 0)).eval()
    images = field(POSES)
    assert images.shape == (2, height, width, 3)
    torch.testing.assert_close(images[1:], field(POSES[1:]))
