"""Procedural scenes that move: rigid parts, exact at every time, seen as in D-NeRF."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Scene
from effbench.scene.raytrace.designs import DESIGNS
from effbench.scene.raytrace.motions import MOTIONS, turned
from effbench.scene.raytrace.shapes import Kind, Material, Shape, box

SOURCE = discover().source("procedural")
TINY = {"size": 24, "train_views": 6, "test_views": 3}


def load(name: str, **config: Any) -> Scene:
    return SOURCE.load(name, None, SOURCE.Config(**{**TINY, **config}))


def times(scene: Scene) -> tuple[list[float], list[float]]:
    assert scene.train.times is not None
    assert scene.test.times is not None
    return scene.train.times.tolist(), scene.test.times.tolist()


def reach(shape: Shape) -> np.ndarray:
    """How far a shape goes from its centre along each world axis, [3]."""
    size, axes = np.array(shape.size), np.array(shape.axes)
    if shape.kind == Kind.SPHERE:
        return size
    if shape.kind == Kind.CYLINDER:
        return size[0] * np.sqrt(np.maximum(1 - axes[2] ** 2, 0)) + size[2] * np.abs(axes[2])
    return size @ np.abs(axes)


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("time", [0.0, 0.3, 0.55, 1.0])
def test_motions_stay_within_their_bounds(name: str, time: float) -> None:
    for shape in MOTIONS[name](time):
        assert (np.abs(shape.centre) + reach(shape)).max() <= 1.2 + 1e-9, shape


@pytest.mark.parametrize("name", MOTIONS)
def test_some_parts_move_and_others_do_not_and_all_are_rigid(name: str) -> None:
    first, later = MOTIONS[name](0.1), MOTIONS[name](0.7)
    moved = 0
    for before, after in zip(first, later, strict=True):
        assert (before.kind, before.size, before.material) == (
            after.kind,
            after.size,
            after.material,
        )
        axes = np.array(after.axes)
        assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1)
        moved += before != after
    assert 0 < moved < len(first)


def test_a_turned_shape_keeps_its_distance_to_the_pivot() -> None:
    shape = box((0.5, 0.2, 0.1), (0.1, 0.2, 0.3), Material((1, 1, 1)), yaw=30)
    (found,) = turned([shape], 90, 2, (0.0, 0.0, 0.0))
    assert found.centre == pytest.approx((-0.2, 0.5, 0.1))
    assert found.axes[2] == (0, 0, 1)
    assert found.axes[0] == pytest.approx((-math.sin(math.pi / 6), math.cos(math.pi / 6), 0))


@pytest.mark.parametrize("name", MOTIONS)
def test_one_camera_sees_each_time_of_training_and_test_sees_times_between(name: str) -> None:
    scene = load(name)
    train, test = times(scene)
    assert train == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert test == pytest.approx([1 / 6, 0.5, 5 / 6])
    seen = {pose.tobytes() for pose in scene.train.poses}
    assert not seen & {pose.tobytes() for pose in scene.test.poses}
    assert scene.moves


def test_several_cameras_can_see_each_time() -> None:
    train, _ = times(load("pendulum", cameras=3))
    assert train == [0, 0, 0, 1, 1, 1]


def test_what_is_seen_depends_on_the_time() -> None:
    """Ground truth from one camera at two times differs where something moves, and only there."""
    from effbench.scene.raytrace.render import render_frames

    scene = load("doors")
    poses = np.repeat(scene.test.poses[:1], 2, 0)
    shut, opened = render_frames(
        [MOTIONS["doors"](0.0), MOTIONS["doors"](1.0)], poses, scene.test.intrinsics
    ).astype(int)
    changed = (np.abs(shut - opened) > 8).any(-1).mean()
    assert 0.01 < changed < 0.5


def test_the_manifest_knows_the_times_and_the_pixels_are_cached() -> None:
    first, again, other = load("carousel"), load("carousel"), load("carousel", cameras=2)
    assert first.manifest == again.manifest != other.manifest
    assert np.array_equal(first.train.images, again.train.images)


@pytest.mark.parametrize(
    ("name", "config", "wrong"),
    [
        ("pendulum", {"cameras": 4}, "6 train views of 4 at each time"),
        ("pendulum", {"cameras": 0}, "6 train views of 0 at each time"),
        ("blocks", {"cameras": 2}, "cameras=2, but nothing moves"),
    ],
)
def test_cameras_that_make_no_sense_are_refused(
    name: str, config: dict[str, int], wrong: str
) -> None:
    with pytest.raises(SceneError, match=wrong):
        load(name, **config)


def test_the_listing_says_which_scenes_move() -> None:
    moves = {entry.name: entry.moves for entry in SOURCE.entries(None)}
    assert moves == dict.fromkeys(DESIGNS, False) | dict.fromkeys(MOTIONS, True)
