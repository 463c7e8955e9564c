"""The contract between scene plug-ins and the rest: views, compositing, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from effbench.errors import SceneError
from effbench.scene import Intrinsics, Views
from tests.nerf_scene import ball

CAMERA = Intrinsics(width=2, height=1, fx=1.0, fy=1.0, cx=1.0, cy=0.5)
POSES = np.eye(4, dtype=np.float32)[None, :3]
TRANSPARENT_RED, HALF_GREEN = (255, 0, 0, 0), (0, 255, 0, 51)  # alpha 0 and 0.2


def views(pixels: object, poses: object = POSES, names: tuple[str, ...] = ("a",)) -> Views:
    return Views(np.array(pixels, np.uint8), np.asarray(poses, np.float32), CAMERA, names)


def test_composite_blends_straight_alpha_in_srgb() -> None:
    both = views([[[TRANSPARENT_RED, HALF_GREEN]]])
    white, blue = both.composite(0, (1, 1, 1)), both.composite(0, (0, 0, 0.5))
    np.testing.assert_allclose(white, np.array([[[1, 1, 1], [0.8, 1, 0.8]]]))
    np.testing.assert_allclose(blue, np.array([[[0, 0, 0.5], [0, 0.2, 0.4]]]))


def test_composite_of_opaque_images_ignores_the_background() -> None:
    image = views([[[(255, 0, 51), (0, 102, 0)]]]).composite(0, (1, 1, 1))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, [[[1, 0, 0.2], [0, 0.4, 0]]])


def test_views_know_their_number() -> None:
    assert len(views(np.zeros((3, 1, 2, 3)), np.repeat(POSES, 3, 0), ("a", "b", "c"))) == 3


def mixed() -> Views:
    """Two views of a landscape and an upright image, their pixels numbered."""
    wide = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    tall = np.arange(100, 118, dtype=np.uint8).reshape(3, 2, 3)
    cameras = [Intrinsics(3, 2, 1.0, 1.0, 1.5, 1.0), Intrinsics(2, 3, 2.0, 2.0, 1.0, 1.5)]
    return Views.of([wide, tall], np.repeat(POSES, 2, 0), cameras, ("wide", "tall"))


def test_views_of_several_sizes_keep_their_pixels_and_no_others() -> None:
    views = mixed()
    assert views.images.shape == (12, 3)
    assert (len(views), views.sizes, views.starts.tolist()) == (2, [(3, 2), (2, 3)], [0, 6, 12])
    assert views.image(0).shape == (2, 3, 3)
    assert views.image(1)[2, 1].tolist() == [115, 116, 117]
    assert views.composite(1, (1, 1, 1)).shape == (3, 2, 3)


def test_views_of_one_size_are_one_array_whatever_their_cameras() -> None:
    image, other = np.zeros((1, 2, 3), np.uint8), np.ones((1, 2, 3), np.uint8)
    poses, names = np.repeat(POSES, 2, 0), ("a", "b")
    same = Views.of([image, other], poses, [CAMERA, CAMERA], names)
    assert same.intrinsics == CAMERA
    assert same.images.shape == (2, 1, 2, 3)
    longer = replace(CAMERA, fx=3.0)
    differ = Views.of([image, other], poses, [CAMERA, longer], names)
    assert differ.images.shape == (2, 1, 2, 3)
    assert differ.cameras == (CAMERA, longer)


def test_the_camera_of_all_is_refused_where_there_is_none() -> None:
    with pytest.raises(SceneError, match=r"cameras of their own.*use another"):
        _ = mixed().intrinsics


def test_cameras_that_do_not_fit_the_pixels_are_refused() -> None:
    with pytest.raises(SceneError, match="2 images, but 1 cameras"):
        replace(mixed(), camera=(CAMERA,))
    with pytest.raises(SceneError, match="camera says"):
        replace(mixed(), camera=(CAMERA, CAMERA))
    with pytest.raises(SceneError, match="some images have alpha"):
        Views.of(
            [np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2, 4), np.uint8)],
            np.repeat(POSES, 2, 0),
            [CAMERA, CAMERA],
            ("a", "b"),
        )


@pytest.mark.parametrize(
    ("shape", "poses", "names", "message"),
    [
        ((0, 1, 2, 3), POSES[:0], (), "no views"),
        ((1, 1, 2, 3), np.eye(4)[None], ("a",), "poses of shape"),
        ((1, 1, 2, 3), POSES, ("a", "b"), "2 names"),
        ((1, 2, 2, 3), POSES, ("a",), "camera says"),
        ((1, 1, 2, 2), POSES, ("a",), "1×2×2"),
    ],
    ids=["empty", "4x4 poses", "names", "size", "two channels"],
)
def test_inconsistent_views_are_refused(
    shape: tuple[int, ...], poses: object, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SceneError, match=message):
        views(np.zeros(shape), poses, names)


def test_times_are_as_many_as_views_and_from_0_to_1_in_both_splits() -> None:
    views = ball().train
    times = np.linspace(0, 1, len(views), dtype=np.float32)
    for wrong in (times[1:], times + 0.5, times - 0.5, np.full_like(times, np.nan)):
        with pytest.raises(SceneError, match="times are not as many from 0 to 1"):
            replace(views, times=wrong)
    moving = replace(views, times=times)
    with pytest.raises(SceneError, match="times in one split alone"):
        replace(ball(), train=moving)
    scene = replace(ball(), train=moving, test=moving)
    assert scene.moves
    assert scene.still().train.times is None
