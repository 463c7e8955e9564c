"""D-NeRF scenes: Blender's, with a time for every frame."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Scene

FAMILY = "dnerf"
TIMES = {"train": [0.0, 0.5, 1.0], "test": [0.25, 0.75], "val": [0.1]}


def write(folder: Path, split: str, times: list[Any]) -> None:
    (folder / split).mkdir(parents=True)
    frames: list[dict[str, Any]] = []
    for index, time in enumerate(times):
        x = index + 10 * list(TIMES).index(split)
        pose = [[1, 0, 0, x], [0, 0, -1, -4], [0, 1, 0, 0.5], [0, 0, 0, 1]]
        name = f"./{split}/r_{index:03}"
        frames.append({"file_path": name, "rotation": 0.1, "time": time, "transform_matrix": pose})
        pixels = np.random.default_rng(x).integers(0, 256, (16, 16, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    content = {"camera_angle_x": math.pi / 2, "frames": frames}
    (folder / f"transforms_{split}.json").write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / FAMILY / "lego"
    for split, times in TIMES.items():
        write(folder, split, times)
    return folder


def edit(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    path = folder / "transforms_train.json"
    content = json.loads(path.read_text())
    change(content["frames"])
    path.write_text(json.dumps(content))


def load(folder: Path, **params: Any) -> Scene:
    source = discover().source(FAMILY)
    return source.load(folder.name, folder.parents[1], source.Config(**params))


def test_views_have_the_times_of_their_frames(folder: Path) -> None:
    scene = load(folder)
    assert scene.moves
    assert scene.train.times is not None
    assert scene.test.times is not None
    assert scene.train.times.tolist() == TIMES["train"]
    assert scene.test.times.tolist() == TIMES["test"]
    assert scene.test.names == ("test/r_000.png", "test/r_001.png")
    assert scene.background == (1, 1, 1)
    assert scene.box.tolist() == [[-1.5] * 3, [1.5] * 3]
    assert not scene.still().moves


def test_what_makes_published_figures_incomparable_is_noted(folder: Path) -> None:
    bucket, pixels = load(folder, downscale=2).notes
    assert "bucket of lego's test split" in bucket
    assert pixels.startswith("of 8×8 pixels; D-NeRF's own figures are of 400×400")
    scene = load(folder, split="val")
    assert not any("bucket" in note for note in scene.notes)
    assert scene.test.times is not None
    assert scene.test.times.tolist() == pytest.approx(TIMES["val"])


def test_missing_times_and_numbers_of_frames_are_read_with_a_note(folder: Path) -> None:
    edit(folder, lambda frames: [frame.pop("time") for frame in frames])
    scene = load(folder)
    assert scene.train.times is not None
    assert scene.train.times.tolist() == [0, 0.5, 1]
    assert "gives no times" in scene.notes[0]


def test_a_time_out_of_range_names_the_file_and_the_remedy(folder: Path) -> None:
    edit(folder, lambda frames: frames[1].update(time=1.5))
    with pytest.raises(SceneError, match=r"transforms_train\.json: time 1\.5 of frame 1 .*To fix"):
        load(folder)


def test_a_view_of_the_same_place_at_another_time_is_another_view(folder: Path) -> None:
    place = [[1, 0, 0, 10], [0, 0, -1, -4], [0, 1, 0, 0.5], [0, 0, 0, 1]]  # of the first test view
    edit(folder, lambda frames: frames[0].update(transform_matrix=place))
    assert load(folder).train.names[0] == "train/r_000.png"
    edit(folder, lambda frames: frames[0].update(time=0.25))
    edit(folder, lambda frames: frames[1].update(time=0.0))
    with pytest.raises(
        SceneError, match=r"is training view train/r_000\.png: one file, or one place"
    ):
        load(folder)


def test_the_manifest_is_that_of_the_loaded_scene(folder: Path) -> None:
    source = discover().source(FAMILY)
    for params in ({}, {"split": "val"}):
        config = source.Config(**params)
        told = source.manifest("lego", folder.parents[1], config)
        assert told == source.load("lego", folder.parents[1], config).manifest


def test_listed_scenes_are_said_to_move(folder: Path) -> None:
    entries = discover().source(FAMILY).entries(folder.parents[1])
    assert {entry.name for entry in entries} >= {"lego", "trex"}
    assert all(entry.moves for entry in entries)
    assert [entry.name for entry in entries if entry.available] == ["lego"]
