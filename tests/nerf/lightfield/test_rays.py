"""Rays of a light field: through the pixels they stand for, with points where they belong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from effbench.kernels.rays import generate_rays
from effbench.nerf.lightfield.network import NeLFShape, build
from effbench.nerf.lightfield.rays import LightField, RayEncoder, camera_directions
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


def test_a_ray_that_misses_the_box_is_encoded_as_zeros() -> None:
    encoder = RayEncoder(
        SHAPE, replace(ball(), box=(ball().box / 3).astype(np.float32)), CAMERA, "box"
    )
    encoded = encoder(POSES[:1])
    assert torch.isfinite(encoded).all()
    assert (encoded[0, :, 0, 0] == 0).all()
    found = points(encoded)[0, 4, 4]
    assert (found.abs() < 1).all()
    assert (found.norm(dim=-1) > 0).all()


def depths(encoder: RayEncoder, poses: torch.Tensor) -> torch.Tensor:
    """Return the depths [V, h, w, 2] of a camera's rays."""
    rays = (encoder.directions[None, :, :, None, :] * poses[:, None, None, :, :3]).sum(-1)
    origins = poses[:, None, None, :, 3] - encoder.centre
    return torch.cat(encoder.depths(origins, rays), -1)


def shell(resolution: int = 8) -> torch.Tensor:
    """Return a grid in which the cells between 1 and 3 (of 8) along x are occupied, at all y, z."""
    grid = torch.zeros(resolution, resolution, resolution, dtype=torch.bool)  # z, y, x
    grid[:, :, 1:3] = True
    grid[:, :, 5] = True
    return grid.flatten()


def test_points_lie_between_the_first_and_the_last_occupied_cell() -> None:
    pose = torch.from_numpy(look_at_origin(0.0))[None]  # from x = 4 along −x
    camera = Intrinsics(width=2, height=2, fx=50.0, fy=50.0, cx=1.0, cy=1.0)
    encoder = RayEncoder(SHAPE, ball(), camera, "occupied", shell())
    # cells are 3/8 wide: the grid is met at x = −1.5 + 6·3/8 = 0.75 and left at −1.5 + 3/8
    enter, leave = depths(encoder, pose)[0, 0, 0].tolist()
    assert enter == pytest.approx(4 - 0.75, abs=3 / 128)
    assert leave == pytest.approx(4 + 1.125, abs=3 / 128)
    along = [enter + (leave - enter) * (i / 3) ** 2 for i in range(4)]
    torch.testing.assert_close(
        points(encoder(pose))[0, 0, 0, :, 0] * 1.5, torch.tensor([4 - t for t in along])
    )


def test_cells_are_counted_along_x_first() -> None:
    resolution = 8
    pose = torch.from_numpy(look_at_origin(0.0))[None]
    camera = Intrinsics(width=2, height=2, fx=10.0, fy=10.0, cx=1.0, cy=1.0)
    for axis, met in ((0, True), (1, False), (2, False)):
        cells = torch.arange(resolution**3)
        place = cells // resolution**axis % resolution  # along x, y or z
        encoder = RayEncoder(SHAPE, ball(), camera, "occupied", place == 0)
        enter, leave = depths(encoder, pose).unbind(-1)
        assert bool((leave > enter).all()) is met


def test_backends_encode_the_same() -> None:
    one, other = (
        RayEncoder(SHAPE, ball(), CAMERA, "occupied", shell(), backend)(POSES)
        for backend in ("reference", "cpu")
    )
    assert ((one - other).abs().amax(1) < 1e-4).float().mean() > 0.99  # borders of cells


def test_a_ray_through_empty_cells_is_encoded_as_zeros() -> None:
    encoder = RayEncoder(SHAPE, ball(), CAMERA, "occupied", torch.zeros(512, dtype=torch.bool))
    assert (encoder(POSES) == 0).all()


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
