"""Pseudo views: cameras among the training cameras, rendered once per teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from effbench.machine import host_memory
from effbench.method import Checkpoint
from effbench.nerf.lightfield import pseudo_views
from effbench.nerf.lightfield.pseudo_views import (
    PseudoViews,
    ViewRequest,
    model_hash,
    render_views,
    views_of,
)
from effbench.scene import Intrinsics
from tests.nerf_scene import CAMERA, ball


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


def free(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    monkeypatch.setattr(host_memory, "available", lambda: int(gigabytes * 1e9))


@pytest.mark.parametrize(
    ("gigabytes", "views"), [(200, 10_000), (64, 8888), (16, 2222), (0.001, 8)]
)
def test_images_and_their_copies_find_room_on_the_host(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, views: int
) -> None:
    """10,000 views of 800 × 800 are 19.2 GB, three times while they are written."""
    free(monkeypatch, gigabytes)
    request = ViewRequest(10_000, 150.0, Intrinsics(800, 800, 1111.0, 1111.0, 400.0, 400.0))
    assert request.affordable() == views
    held = 3 * views * 800 * 800 * 3
    assert held <= 0.8 * gigabytes * 1e9 or views == 8


def test_what_memory_has_no_room_for_is_neither_rendered_nor_read(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, image = ViewRequest(40, None, CAMERA), 16 * 16 * 3
    free(monkeypatch, 3 * 30.5 * image / 0.8 / 1e9)
    first = views_of(checkpoint(tmp_path), ball(), request, lambda: teacher)
    assert len(first) == teacher.calls == 30
    free(monkeypatch, 3 * 20.5 * image / 0.8 / 1e9)
    less = views_of(checkpoint(tmp_path), ball(), request, lambda: pytest.fail("rendered again"))
    assert len(less) == len(less.poses) == 20
    assert torch.equal(less.images, first.images[:20])
