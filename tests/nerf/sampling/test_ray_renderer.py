"""The exported form of a hash field: the same lookups and the same pixels as the kernels'."""

from __future__ import annotations

import pytest
import torch

from effbench.export.model import camera_rays
from effbench.kernels.hash_encoding import hash_encode_reference
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.sampling import OccupancySampler
from effbench.nerf.sampling.ray_renderer import HashEncoder
from effbench.nerf.training.hash_method import HashMethod
from effbench.scene import Intrinsics
from tests.exported import SMALL, rays_method
from tests.nerf_scene import CAMERA, look_at_origin


@pytest.fixture
def trained() -> HashMethod:
    return rays_method()


@pytest.mark.parametrize("log2_table", [6, 10, 16])  # all hashed, some, all dense
def test_encoding_is_the_reference(log2_table: int) -> None:
    layout = HashLayout(levels=4, log2_table=log2_table, base=4, finest=32)
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(layout.rows, 2, generator=generator)
    positions = torch.rand(100, 3, generator=generator)
    expected = hash_encode_reference(positions, table, layout)
    torch.testing.assert_close(HashEncoder(table, layout)(positions), expected)


def test_an_int8_table_is_scaled_after_the_lookup() -> None:
    layout = HashLayout(levels=2, log2_table=8, base=4, finest=8)
    generator = torch.Generator().manual_seed(0)
    table = torch.randint(-127, 128, (layout.rows, 2), generator=generator, dtype=torch.int8)
    scales = torch.tensor([[0.5, 0.25], [2.0, 1.0]])
    per_row = scales.repeat_interleave(torch.from_numpy(layout.offsets).diff(), 0)
    positions = torch.rand(50, 3, generator=generator)
    expected = hash_encode_reference(positions, table * per_row, layout)
    torch.testing.assert_close(HashEncoder(table, layout, scales)(positions), expected)


def test_pixels_are_the_sampler_s(trained: HashMethod) -> None:
    assert isinstance(trained.sampler, OccupancySampler)
    share = trained.sampler.grid.occupied().float().mean()
    assert 0 < share < 1, "the grid has learnt something"
    pose = torch.from_numpy(look_at_origin(0.3))
    expected = trained.render(pose, CAMERA)
    assert expected.std() > 0.05, "there is something to see"
    exported = trained.exportable(CAMERA)
    assert exported is not None
    assert exported.takes == "rays"
    origins, directions = map(torch.from_numpy, camera_rays(pose.numpy(), CAMERA))
    with torch.no_grad():
        color = exported.module(origins, directions)
    # where a wave ends, the sampler may stop a ray that has early_stop_eps of its light left
    assert (color.view(16, 16, 3) - expected).abs().max() < SMALL.early_stop_eps


def test_rays_that_miss_are_background(trained: HashMethod) -> None:
    exported = trained.exportable(CAMERA)
    assert exported is not None
    away = torch.tensor([[0.0, 0.0, 1.0]])
    color = exported.module(torch.tensor([[0.0, 0.0, 50.0]]), away)
    assert color.tolist() == [[1, 1, 1]]


def test_rays_of_a_camera_are_the_kernel_s() -> None:
    from effbench.kernels.rays import generate_rays

    camera = Intrinsics(width=5, height=3, fx=4.0, fy=5.0, cx=2.4, cy=1.6)
    pose = look_at_origin(1.1)
    pixel = torch.arange(15)
    view = torch.zeros_like(pixel)
    poses = torch.from_numpy(pose)[None]
    expected = generate_rays(poses, camera, view, pixel % 5, pixel // 5, "reference")
    for mine, theirs in zip(camera_rays(pose, camera), expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(mine), theirs)
