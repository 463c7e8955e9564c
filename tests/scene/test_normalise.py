"""Captures are put upright around what their cameras look at, whatever frame they come in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from effbench.scene.normalise import similarity

CENTRE = np.array([3.0, -2.0, 5.0])


def ring(count: int = 12, radius: float = 2.5) -> NDArray[np.float64]:
    """Cameras on a ring around CENTRE, somewhat above it, level, up along +y."""
    poses = []
    for angle in 2 * np.pi * np.arange(count) / count:
        back = np.array([np.cos(angle), 0.4, np.sin(angle)])
        back /= np.linalg.norm(back)
        right = np.cross([0, 1, 0], back)
        right /= np.linalg.norm(right)
        poses.append(np.stack([right, np.cross(back, right), back, CENTRE + radius * back], 1))
    return np.stack(poses)


def test_the_middle_is_the_origin_up_is_z_and_cameras_are_at_distance_1() -> None:
    put = similarity(ring())
    poses = put.of_poses(ring())
    np.testing.assert_allclose(put.centre, CENTRE, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(poses[:, :, 3], axis=1), 1, atol=1e-9)
    up = poses[:, :, 1].mean(0)
    np.testing.assert_allclose(up / np.linalg.norm(up), [0, 0, 1], atol=1e-9)
    rotations = poses[:, :, :3]
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (12, 1, 1)), atol=1e-9
    )
    assert (np.linalg.det(rotations) > 0).all()


def test_what_a_camera_sees_of_a_point_stays() -> None:
    points = CENTRE + np.random.default_rng(0).normal(size=(20, 3))
    before, put = ring(), similarity(ring())
    after = put.of_poses(before)
    for old, new in zip(before, after, strict=True):
        local = (points - old[:, 3]) @ old[:, :3]
        moved = (put.of_points(points) - new[:, 3]) @ new[:, :3]
        np.testing.assert_allclose(moved, put.scale * local, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_distances_and_heights_do_not_depend_on_the_frame_or_the_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    poses = ring()
    moved = np.concatenate(
        [turn @ poses[:, :, :3], (3.0 * poses[:, :, 3] @ turn.T + 7.0)[..., None]], 2
    )
    order = random.permutation(len(poses))
    expected, found = similarity(poses).of_poses(poses), similarity(moved).of_poses(moved)
    np.testing.assert_allclose(found[:, 2, 3], expected[:, 2, 3], atol=1e-9)
    again = similarity(moved[order]).of_poses(moved)
    np.testing.assert_allclose(again, found, atol=1e-9)


def test_cameras_upside_down_are_turned_over() -> None:
    flipped = ring()
    flipped[:, :, :2] *= -1
    poses = similarity(flipped).of_poses(flipped)
    assert poses[:, 2, 1].mean() > 0.5


def test_parallel_axes_and_one_place_have_a_middle_all_the_same() -> None:
    row = np.tile(np.eye(3, 4), (5, 1, 1))
    row[:, 0, 3] = np.arange(5)
    assert similarity(row).centre.tolist() == [2, 0, 0]
    np.testing.assert_allclose(similarity(np.eye(3, 4)[None]).scale, 1)
