"""The loop waits for a CUDA device once in a step, and both clocks tell how long steps took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import torch

from effbench.cell.clock import Clock
from effbench.cell.device_timer import DeviceTimer
from effbench.cell.loop import TrainLog, train
from effbench.cell.training import _step_times
from effbench.machine import breakdown
from effbench.method import Method
from effbench.method.budget import Budget
from effbench.scene import Intrinsics

LAUNCH_S, DEVICE_S = 1.0, 3.0  # what a step takes on the host, and on the device from then on


class Device:
    """A device that works through what is queued while the host goes on."""

    def __init__(self) -> None:
        self.host = self.busy_until = 0.0
        self.waits = 0

    def now(self) -> float:
        return self.host

    def synchronize(self) -> None:
        self.waits += 1
        self.host = max(self.host, self.busy_until)

    def queue(self, seconds: float) -> None:
        self.busy_until = max(self.host, self.busy_until) + seconds


class Event:
    def __init__(self, device: Device) -> None:
        self._device, self.at = device, 0.0

    def record(self) -> None:
        self.at = max(self._device.host, self._device.busy_until)

    def elapsed_time(self, end: Event) -> float:
        assert end.at <= self._device.host, "not done yet"
        return 1e3 * (end.at - self.at)


class Steps(Method):
    name = "steps"
    Config = dict

    def __init__(self, device: Device) -> None:
        self.queue = device

    def step(self, progress: float) -> torch.Tensor:
        self.queue.host += LAUNCH_S
        self.queue.queue(DEVICE_S)
        return torch.tensor(0.5)

    def render(self, pose: torch.Tensor, intrinsics: Intrinsics) -> torch.Tensor:
        raise NotImplementedError

    def state(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None: ...

    def parameters(self) -> Iterator[torch.Tensor]:
        return iter(())


def run(device: Device, budget: Budget, timer: DeviceTimer | None) -> TrainLog:
    clock = Clock(device.synchronize, device.now)
    return train(Steps(device), budget, clock, lambda _: None, fractions=(), timer=timer)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(breakdown, "event", lambda: Event(made))
    return made


def test_a_step_waits_for_the_device_once(device: Device) -> None:
    run(device, Budget(iterations=100), DeviceTimer())
    assert device.waits == 100 + 2  # the clock's start and end


def test_both_clocks_tell_of_every_step(device: Device) -> None:
    log = run(device, Budget(iterations=5), DeviceTimer())
    assert log.step_s == pytest.approx([LAUNCH_S + DEVICE_S] * 5)
    assert log.device_s == pytest.approx([LAUNCH_S + DEVICE_S] * 5)  # it waits for the first launch
    assert log.train_s == pytest.approx(5 * (LAUNCH_S + DEVICE_S))


def test_a_budget_is_overshot_by_at_most_one_step(device: Device) -> None:
    log = run(device, Budget(seconds=10), DeviceTimer())
    assert log.iterations == 3
    assert log.overshoot_s == pytest.approx(2)


def test_a_cpu_has_no_clock_of_its_own(device: Device) -> None:
    assert DeviceTimer.of(torch.device("cpu")) is None
    assert isinstance(DeviceTimer.of(torch.device("cuda")), DeviceTimer)
    assert run(device, Budget(iterations=5), None).device_s == []


def test_the_devices_time_of_a_step_is_the_median_in_milliseconds() -> None:
    log = TrainLog(train_s=9.0, iterations=3, step_s=[4.0, 2.0, 3.0], device_s=[0.5, 0.25, 2.0])
    times = _step_times(log)
    assert times["iter_device_ms"] == pytest.approx(1e3 * 0.5)
    assert times["iter_ms"] == pytest.approx(1e3 * 3)


def test_without_a_clock_of_the_device_there_is_no_such_time(device: Device) -> None:
    times = _step_times(run(device, Budget(iterations=5), None))
    assert "iter_device_ms" not in times
    assert times["iter_ms"] == pytest.approx(1e3 * (LAUNCH_S + DEVICE_S))
    assert "iter_device_ms" not in _step_times(TrainLog())  # nothing was trained


def test_both_figures_are_of_the_same_steps(device: Device) -> None:
    times = _step_times(run(device, Budget(iterations=5), DeviceTimer()))
    assert times["iter_device_ms"] == pytest.approx(times["iter_ms"])
