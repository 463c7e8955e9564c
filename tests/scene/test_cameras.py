"""Cameras: spread evenly over those there are, or drawn anew among them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from effbench.errors import SceneError
from effbench.scene import Scene, Views
from effbench.scene.cameras import check_sight, evenly_spaced, sample_poses
from tests.nerf_scene import CAMERA, ball, look_at_origin


def test_fewer_views_are_spread_evenly() -> None:
    assert evenly_spaced(200, 2) == [50, 150]
    assert evenly_spaced(3, None) == evenly_spaced(3, 9) == [0, 1, 2]


def around(azimuths: list[float], elevations: list[float], distances: list[float]) -> Scene:
    """Return the ball with training cameras at every combination, looking at the origin."""
    poses = []
    for azimuth in azimuths:
        for elevation in elevations:
            for distance in distances:
                flat = look_at_origin(azimuth)[:, :3]
                right, up, back = flat.T
                back, up = (
                    math.cos(elevation) * back + math.sin(elevation) * up,
                    math.cos(elevation) * up - math.sin(elevation) * back,
                )
                poses.append(np.stack([right, up, back, distance * back], 1))
    scene = ball()
    images = np.repeat(scene.train.images[:1], len(poses), 0)
    names = tuple(map(str, range(len(poses))))
    train = Views(images, np.stack(poses).astype(np.float32), CAMERA, names)
    return replace(scene, train=train)


def test_cameras_lie_in_the_training_cameras_range_and_see_the_centre() -> None:
    scene = around([0.2, 0.7, 1.2], [0.1, 0.9], [3.0, 4.0])
    poses = sample_poses(scene, 500, seed=3)
    eyes = poses[:, :, 3]
    distance = np.linalg.norm(eyes, axis=1)
    assert distance.min() >= 3 - 1e-5
    assert distance.max() <= 4 + 1e-5
    azimuth = np.arctan2(eyes[:, 1], eyes[:, 0])
    assert azimuth.min() >= 0.2 - 1e-5
    assert azimuth.max() <= 1.2 + 1e-5
    elevation = np.arcsin(eyes[:, 2] / distance)
    assert elevation.min() >= 0.1 - 1e-5
    assert elevation.max() <= 0.9 + 1e-5
    assert np.ptp(azimuth) > 0.95
    np.testing.assert_allclose(-poses[:, :, 2] * distance[:, None], -eyes, atol=1e-5)


def test_cameras_are_upright_and_proper() -> None:
    poses = sample_poses(around([0.0, 2.0, 4.0], [0.0, 1.2], [4.0]), 50, seed=0)
    turns = poses[:, :, :3].astype(np.float64)
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-5)
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.eye(3)[None].repeat(50, 0), atol=1e-5
    )
    np.testing.assert_allclose(turns[:, 2, 0], 0, atol=1e-6)  # right is level
    assert (turns[:, 2, 1] > 0).all()  # up is up


def test_cameras_of_one_azimuth_have_an_up_too() -> None:
    poses = sample_poses(around([0.0], [0.0, 0.2], [4.0]), 20, seed=0)
    np.testing.assert_allclose(poses[:, 1, 3], 0, atol=1e-5)  # none leaves the plane
    assert (poses[:, 2, 1] > 0.9).all()


def test_cameras_all_around_surround_the_scene() -> None:
    eyes = sample_poses(ball(), 400, seed=1)[:, :, 3]
    azimuth = np.sort(np.arctan2(eyes[:, 1], eyes[:, 0]))
    assert np.diff(azimuth).max() < 0.2


def test_an_arc_may_cross_the_angle_where_counting_starts_anew() -> None:
    eyes = sample_poses(around([3.0, 3.3], [0.2], [4.0]), 100, seed=1)[:, :, 3]
    azimuth = np.arctan2(eyes[:, 1], eyes[:, 0]) % (2 * math.pi)
    assert azimuth.min() >= 3.0 - 1e-5
    assert azimuth.max() <= 3.3 + 1e-5


def test_a_seed_decides_the_cameras() -> None:
    first, again, other = (sample_poses(ball(), 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first[:3], sample_poses(ball(), 5, 1)[:3])


def moved(scene: Scene, distance: float) -> Scene:
    """Return the scene, its training cameras moved away from the origin."""
    poses = scene.train.poses.copy()
    poses[:, :, 3] *= distance
    return replace(scene, train=replace(scene.train, poses=poses))


def test_cameras_that_see_the_box_are_no_matter() -> None:
    check_sight(ball())


@pytest.mark.parametrize("distance", [100.0, -100.0], ids=["beyond far", "looking away"])
def test_cameras_that_never_meet_the_box_are_refused_with_the_distances(distance: float) -> None:
    with pytest.raises(SceneError, match=r"no ray of its \d+ training cameras meets .* away from"):
        check_sight(moved(ball(), distance))
