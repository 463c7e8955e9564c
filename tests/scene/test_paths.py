"""Camera paths: closed, upright, at the cameras' distances, and always towards the subject."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from effbench.errors import ConfigError, SceneError
from effbench.scene import Intrinsics, Scene, Views
from effbench.scene.cameras import look_at
from effbench.scene.paths import camera_path, focus, resized
from tests.nerf_scene import CAMERA, ball, look_at_origin

SUBJECT = np.array([0.3, -0.2, 0.1])
UP = np.array([0.0, 0.0, 1.0])


def seen_from(eyes: NDArray[np.float64]) -> Scene:
    """Return a scene whose cameras stand at `eyes`, from the subject, and look at it."""
    backward = eyes / np.linalg.norm(eyes, axis=1, keepdims=True)
    poses = look_at(SUBJECT + eyes, backward, UP)
    images = np.repeat(ball().train.images[:1], len(eyes), 0)
    views = Views(images, poses, CAMERA, tuple(map(str, range(len(eyes)))))
    return dataclasses.replace(ball(), train=views, test=views)


def ring(
    azimuths: NDArray[np.float64], across: tuple[float, float], height: float
) -> NDArray[np.float64]:
    sides = across[0] * np.cos(azimuths), across[1] * np.sin(azimuths)
    return np.stack([*sides, np.full(len(azimuths), height)], 1)


ALL_AROUND = np.linspace(0, 2 * math.pi, 40, endpoint=False)
SCENES = {
    "sphere": seen_from(ring(ALL_AROUND, (3.0, 3.0), 1.5)),
    "ellipse": seen_from(ring(ALL_AROUND, (4.0, 2.0), 1.0)),
    "arc": seen_from(ring(np.linspace(0.3, 1.7, 20), (3.0, 3.0), 0.5)),
}


def gaps(poses: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far a camera moves from each frame to the next, and from the last to the first."""
    eyes = poses[:, :, 3].astype(np.float64)
    return np.linalg.norm(np.roll(eyes, -1, axis=0) - eyes, axis=1)


@pytest.mark.parametrize("kind", ["orbit", "spiral"])
@pytest.mark.parametrize("name", SCENES)
def test_a_path_is_closed_and_looks_at_the_subject(name: str, kind: str) -> None:
    poses = camera_path(SCENES[name], kind, 60)
    assert poses.shape == (60, 3, 4)
    assert poses.dtype == np.float32
    assert gaps(poses)[-1] <= 1.01 * gaps(poses)[:-1].max(), "the end goes on to the beginning"
    towards = SUBJECT - poses[:, :, 3]
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    np.testing.assert_allclose(-poses[:, :, 2], towards, atol=1e-4)
    rotations = poses[:, :, :3].astype(np.float64)
    identity = np.tile(np.eye(3), (60, 1, 1))
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), identity, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-5)
    np.testing.assert_allclose(rotations[:, 2, 0], 0, atol=1e-5)  # right is level
    assert (rotations[:, 2, 1] > 0).all()


def test_cameras_on_a_sphere_are_circled_at_their_mean_elevation() -> None:
    heights = np.tile([1.0, 2.0], 20)
    across = np.sqrt(4.0**2 - heights**2)
    eyes = np.stack([across * np.cos(ALL_AROUND), across * np.sin(ALL_AROUND), heights], 1)
    poses = camera_path(seen_from(eyes), "orbit", 36)
    offsets = poses[:, :, 3] - SUBJECT
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), 4.0, atol=1e-4)
    elevation = math.asin((0.25 + 0.5) / 2)
    np.testing.assert_allclose(offsets[:, 2], 4 * math.sin(elevation), atol=1e-4)
    assert np.ptp(gaps(poses)) < 1e-4, "at even speed"


def test_an_ellipse_goes_through_the_cameras_at_even_speed() -> None:
    poses = camera_path(SCENES["ellipse"], "orbit", 80)
    offsets = poses[:, :, 3] - SUBJECT
    np.testing.assert_allclose((offsets[:, 0] / 4) ** 2 + (offsets[:, 1] / 2) ** 2, 1, atol=0.06)
    np.testing.assert_allclose(offsets[:, 2], 1.0, atol=1e-4)
    assert np.ptp(gaps(poses)) < 0.05 * gaps(poses).mean()


def test_an_arc_is_not_left() -> None:
    poses = camera_path(SCENES["arc"], "orbit", 50)
    offsets = poses[:, :, 3] - SUBJECT
    azimuth = np.arctan2(offsets[:, 1], offsets[:, 0])
    assert azimuth.min() == pytest.approx(0.3, abs=0.01)
    assert azimuth.max() == pytest.approx(1.7, abs=0.01)


def test_a_spiral_stays_near_the_camera_in_the_middle() -> None:
    poses = camera_path(SCENES["arc"], "spiral", 50)
    middle = SUBJECT + ring(np.array([1.0]), (3.0, 3.0), 0.5)[0]
    away = np.linalg.norm(poses[:, :, 3] - middle, axis=1)
    assert 0.1 < away.max() < 0.3 * 3.1


def test_along_the_test_views_goes_through_the_first_and_the_last() -> None:
    scene = SCENES["arc"]
    poses = camera_path(scene, "test", 39)
    np.testing.assert_allclose(poses[[0, -1]], scene.test.poses[[0, -1]], atol=1e-5)
    distance = np.linalg.norm(poses[:, :, 3] - SUBJECT, axis=1)
    np.testing.assert_allclose(distance, math.hypot(3.0, 0.5), atol=1e-3)
    assert np.ptp(gaps(poses)[:-1]) < 1e-2 * gaps(poses)[0], "at even speed"


def test_test_views_that_stand_twice_are_one() -> None:
    eyes = ring(np.array([0.3, 0.3, 1.0, 1.0]), (3.0, 3.0), 0.5)
    assert np.isfinite(camera_path(seen_from(eyes), "test", 20)).all()
    for count in (1, 3):
        with pytest.raises(SceneError, match="one camera, and a path needs two"):
            camera_path(seen_from(np.repeat(eyes[:1], count, 0)), "test", 20)


def test_the_focus_of_parallel_axes_is_the_middle_of_the_scene() -> None:
    views = dataclasses.replace(
        ball().train, poses=np.repeat(look_at_origin(0.0)[None], len(ball().train), 0)
    )
    scene = dataclasses.replace(ball(), train=views, box=ball().box + np.float32(0.5))
    np.testing.assert_allclose(focus(scene), [0.5, 0.5, 0.5])
    inner = np.array([[0, 0, 0], [1, 2, 3]], np.float32)
    np.testing.assert_allclose(focus(dataclasses.replace(scene, inner=inner)), [0.5, 1, 1.5])


def test_another_size_sees_as_much_from_top_to_bottom() -> None:
    camera = Intrinsics(width=40, height=20, fx=30.0, fy=32.0, cx=19.0, cy=10.5)
    wide = resized(camera, 120, 40)
    assert wide == Intrinsics(width=120, height=40, fx=60.0, fy=64.0, cx=57.0, cy=21.0)


def test_another_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown path 'orbits': did you mean orbit"):
        camera_path(ball(), "orbits", 5)
