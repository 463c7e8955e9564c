"""Pseudo views: cameras among the training cameras, rendered once per teacher."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from effbench.method import Checkpoint
from effbench.nerf.lightfield import pseudo_views
from effbench.nerf.lightfield.pseudo_views import (
    PseudoViews,
    ViewRequest,
    model_hash,
    render_views,
    sample_poses,
    views_of,
)
from effbench.scene import Intrinsics, Scene, Views
from tests.nerf_scene import CAMERA, ball, look_at_origin


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


class Teacher:
    """Renders a grey that tells the order of calls, and moves a clock by a second each time."""

    def __init__(self) -> None:
        self.calls = 0

    def perf_counter(self) -> float:
        return float(self.calls)

    def __call__(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        self.calls += 1
        return torch.full((intrinsics.height, intrinsics.width, 3), self.calls / 255)


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Teacher:
    fake = Teacher()
    monkeypatch.setattr(pseudo_views, "time", fake)
    return fake


@pytest.mark.parametrize(
    ("count", "seconds", "rendered"), [(12, None, 12), (100, 20.0, 20), (100, 0.5, 8), (5, 0.5, 5)]
)
def test_views_are_rendered_until_number_or_time_is_reached(
    teacher: Teacher, count: int, seconds: float | None, rendered: int
) -> None:
    views = render_views(teacher, ball(), ViewRequest(count, seconds, CAMERA), seed=0)
    assert (len(views), views.render_s) == (rendered, rendered)
    assert views.images.shape == (rendered, 16, 16, 3)
    assert views.images[:, 0, 0, 0].tolist() == list(range(1, rendered + 1))
    assert views.poses.shape == (rendered, 3, 4)


def checkpoint(folder: Path | None, value: float = 1.0) -> Checkpoint:
    return Checkpoint("teacher", {}, {"a": torch.tensor([value])}, folder)


def same(one: PseudoViews, other: PseudoViews) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.poses, other.poses)


def test_views_are_rendered_once_per_teacher_and_request(teacher: Teacher, tmp_path: Path) -> None:
    request = ViewRequest(9, None, CAMERA)
    first = views_of(checkpoint(tmp_path), ball(), request, lambda: teacher)
    again = views_of(checkpoint(tmp_path), ball(), request, lambda: pytest.fail("rendered again"))
    assert same(first, again)
    assert again.render_s == first.render_s == 9, "what they cost when they were made"
    for changed in (replace(request, count=10), replace(request, seconds=99.0)):
        before = teacher.calls
        views_of(checkpoint(tmp_path), ball(), changed, lambda: teacher)
        assert teacher.calls > before
    before = teacher.calls
    views_of(checkpoint(tmp_path, 2.0), ball(), request, lambda: teacher)
    assert teacher.calls == before + 9, "another model"
    assert len(list(tmp_path.iterdir())) == 4


def test_without_a_folder_nothing_is_kept(teacher: Teacher) -> None:
    for _ in range(2):
        views_of(checkpoint(None), ball(), ViewRequest(8, None, CAMERA), lambda: teacher)
    assert teacher.calls == 16


def test_a_models_hash_is_that_of_names_shapes_and_values() -> None:
    def digest(**state: Tensor) -> str:
        return model_hash(Checkpoint("teacher", {}, state))

    values = torch.arange(6.0)
    hashes = {
        digest(a=values),
        digest(b=values),
        digest(a=values.view(2, 3)),
        digest(a=values + 1),
        digest(a=values.int()),
    }
    assert len(hashes) == 5
    assert digest(a=values, b=values) == digest(b=values, a=values.clone())
