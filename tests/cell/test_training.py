"""What a record says of how long steps took."""

from __future__ import annotations

import pytest

from effbench.cell.loop import TrainLog
from effbench.cell.training import _step_times


def test_steps_are_timed_by_wall_and_by_the_device() -> None:
    log = TrainLog(
        train_s=1.0, iterations=4, step_s=[0.2, 0.3, 0.1, 0.4], device_s=[0.05, 0.2, 0.07]
    )
    found = _step_times(log)
    assert found["iter_ms"] == pytest.approx(250)
    assert found["iter_ms_mean"] == pytest.approx(250)
    assert found["iter_device_ms"] == pytest.approx(70)


def test_without_a_device_clock_there_is_no_time_by_it() -> None:
    assert "iter_device_ms" not in _step_times(TrainLog(1.0, 1, step_s=[0.2]))
    assert _step_times(TrainLog()) == {"train_s": 0.0, "iterations": 0}
