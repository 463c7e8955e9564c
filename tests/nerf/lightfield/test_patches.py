"""Patches of views: what they see is a part of what the view sees, and what counts of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from effbench.nerf.lightfield.mixed_pool import MixedViewPool
from effbench.nerf.lightfield.network import NeLFShape, build
from effbench.nerf.lightfield.patches import Patch, margin
from effbench.nerf.lightfield.pseudo_views import PseudoViews
from effbench.nerf.lightfield.rays import camera_directions
from effbench.nerf.lightfield.view_pool import ViewPool
from effbench.scene import Intrinsics
from effbench.scene.cameras import most_common
from tests.nerf_scene import CAMERA, context, mixed_ball

WIDE = Intrinsics(width=20, height=12, fx=15.0, fy=16.0, cx=9.0, cy=7.0)


def test_a_patch_looks_through_its_part_of_the_image() -> None:
    patch = Patch(WIDE, x=6, y=4, side=8)
    whole = camera_directions(WIDE, 2)  # [6, 10, 3]
    torch.testing.assert_close(patch.directions(2), whole[2:6, 3:7])
    image = torch.arange(12 * 20).view(12, 20, 1)
    assert torch.equal(patch.of(image), image[4:12, 6:14])


def test_corners_are_drawn_over_the_whole_image_and_its_sides() -> None:
    random = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0))
    drawn = [Patch.drawn(WIDE, 8, 3, each) for each in random]
    assert {patch.x for patch in drawn} == set(range(13))
    assert {patch.y for patch in drawn} == set(range(5))
    # 13 places and 3 beyond each side: 4 of 19 are moved to the left one
    assert sum(patch.x == 0 for patch in drawn) / 4000 == pytest.approx(4 / 19, abs=0.03)


@pytest.mark.parametrize(
    ("x", "y", "rows", "columns"),
    [
        (2, 1, [0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0]),
        (0, 4, [0, 0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0, 0]),  # the image ends at both
    ],
)
def test_sides_count_where_the_image_ends(x: int, y: int, rows: Any, columns: Any) -> None:
    counted = Patch(WIDE, x, y, side=8).counted(2)
    expected = torch.tensor(rows)[:, None] * torch.tensor(columns)
    assert torch.equal(counted, expected.float())


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
def test_what_counts_is_the_same_as_in_the_whole_view(stages: int) -> None:
    shape = NeLFShape.regular(points=2, frequencies=1, width=8, depth=4, sr_widths=(4,) * stages)
    network = build(shape, 0).eval()
    scale, rays = shape.scale, torch.rand(1, shape.channels, 12, 12)
    patch = Patch(Intrinsics(12 * scale, 12 * scale, 9, 9, 6, 6), 3 * scale, 0, 6 * scale)
    with torch.no_grad():
        whole = network(rays)[0].permute(1, 2, 0)
        own = network(rays[:, :, :6, 3:9])[0].permute(1, 2, 0)
    counted = patch.counted(margin(scale)).bool()
    torch.testing.assert_close(own[counted], patch.of(whole)[counted])
    if stages:
        assert not torch.allclose(own[~counted], patch.of(whole)[~counted])


def found(image: Tensor, part: Tensor) -> bool:
    """Whether `part` [S, S, 3] is somewhere in `image`."""
    side = len(part)
    windows = image.unfold(0, side, 1).unfold(1, side, 1)  # [., ., 3, S, S]
    return bool((windows == part.permute(2, 0, 1)).flatten(2).all(-1).any())


def random_views(camera: Intrinsics, count: int = 3) -> PseudoViews:
    generator = torch.Generator().manual_seed(1)
    size = (count, camera.height, camera.width, 3)
    images = torch.randint(256, size, generator=generator, dtype=torch.uint8)
    return PseudoViews(images, torch.rand(count, 3, 4, generator=generator), 0.0)


def test_patches_come_with_the_pose_of_their_view() -> None:
    views = random_views(CAMERA)
    pool = ViewPool(views, context())
    poses, cut = pool.patches(6, rays=3, scale=2, real_share=0.0)
    assert cut.directions.shape == (6, 3, 3, 3)
    assert cut.images.shape == (6, 6, 6, 3)
    assert cut.counted is not None
    assert cut.counted.shape == (6, 6, 6)
    for pose, image in zip(poses, cut.images, strict=True):
        (view,) = [v for v in range(3) if torch.equal(views.poses[v], pose)]
        assert found(views.images[view], image)


def test_views_of_several_sizes_give_patches_of_one() -> None:
    scene = mixed_ball()
    views = random_views(most_common(scene.train))
    pool = MixedViewPool(views, most_common(scene.train), context(scene=scene))
    assert pool.patch_rays(8, 4) == 3, "the smallest side is 12 pixels"
    poses, cut = pool.patches(11, rays=3, scale=4, real_share=0.7)
    assert cut.images.shape == (11, 12, 12, 3)
    for pose, image in zip(poses, cut.images, strict=True):
        (view,) = [v for v in range(len(pool.poses)) if torch.equal(pool.poses[v], pose)]
        assert found(pool.image(view), image)


def test_what_no_patch_fits_into_is_taken_whole() -> None:
    pool = ViewPool(random_views(CAMERA), context())  # of 16×16 pixels
    assert [pool.patch_rays(8, scale) for scale in (1, 2, 4, 8, 16, 32)] == [8, 8, 4, 2, 0, 0]
