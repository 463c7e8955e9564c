"""Times of frames: from 0 to 1, however a file says them, or a clear refusal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import SceneError
from effbench.scene.times import read_times

TRAIN, TEST = Path("a/transforms_train.json"), Path("a/transforms_test.json")


def found(train: list[Any], test: list[Any]) -> tuple[list[list[float]], tuple[str, ...]]:
    times, notes = read_times({TRAIN: train, TEST: test})
    return [[round(float(t), 6) for t in each] for each in times], notes


def test_times_from_0_to_1_are_taken_as_they_are() -> None:
    times, notes = found([0.0, 0.25, 1.0], [0.1, 0.9])
    assert times == [[0, 0.25, 1], [0.1, 0.9]]
    assert notes == ()


def test_whole_numbers_0_and_1_are_times_too() -> None:
    assert found([0, 1], [0, 1, 1]) == ([[0, 1], [0, 1, 1]], ())


def test_frames_without_times_go_evenly_from_0_to_1() -> None:
    times, notes = found([None] * 5, [None])
    assert times == [[0, 0.25, 0.5, 0.75, 1], [0]]
    assert notes == (
        "transforms_train.json gives no times: its 5 frames go from 0 to 1",
        "transforms_test.json gives no times: its 1 frames go from 0 to 1",
    )


def test_numbers_of_frames_are_divided_by_the_greatest_of_all_splits() -> None:
    times, notes = found([0, 10, 20], [5, 15.0])
    assert times == [[0, 0.5, 1], [0.25, 0.75]]
    assert notes == ("times are numbers of frames, divided by 20",)


def test_training_that_leaves_out_an_end_is_noted() -> None:
    assert found([0.1, 0.5], [0.2])[1] == ("training times go from 0.1 to 0.5, not from 0 to 1",)


@pytest.mark.parametrize(
    ("train", "wrong"),
    [
        ([0.0, None, 1.0], "transforms_train.json: frame 1 has no time"),
        ([0.0, 1.5], r"time 1.5 of frame 1 is above 1"),
        ([-0.1, 1.0], "time of frame 0 is -0.1"),
        ([0.0, math.nan], "time of frame 1 is nan"),
        ([0.0, math.inf], "time of frame 1 is inf"),
        ([0.0, "1"], "time of frame 1 is '1'"),
        ([True, 0.0], "time of frame 0 is True"),
        ([[0.0], 1.0], r"time of frame 0 is \[0.0\]"),
        ([0, 7, 10.5], "time 10.5 of frame 2 is above 1"),
    ],
)
def test_what_is_no_time_is_refused(train: list[Any], wrong: str) -> None:
    with pytest.raises(SceneError, match=f"{wrong}.*To fix it, write times from 0 to 1"):
        found(train, [0.0] * 2)
