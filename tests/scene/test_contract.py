"""The contract between scene plug-ins and the rest: views, compositing, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from effbench.errors import SceneError
from effbench.scene import Intrinsics, Views

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
