"""Joules are counted while the training clock runs, and only then."""

from __future__ import annotations

import torch

from effbench.cell.clock import Clock
from effbench.machine import nvml
from effbench.machine.energy import EnergyMeter
from tests.fake_nvml import UUID, FakeNvml


def meter(library: FakeNvml) -> EnergyMeter:
    return EnergyMeter(*nvml.find(torch.device("cuda:0"), library, UUID))


def test_pauses_are_not_counted() -> None:
    gpu = FakeNvml(millijoules=5000)
    counted = meter(gpu)
    clock = Clock(meter=counted)
    clock.start()
    gpu.millijoules += 2000
    with clock.paused():
        gpu.millijoules += 100_000
    gpu.millijoules += 500
    clock.pause()
    gpu.millijoules += 7000
    assert counted.energy() == {"energy_j": 2.5, "reason": ""}


def test_pausing_a_clock_that_stands_counts_nothing() -> None:
    gpu = FakeNvml()
    counted = meter(gpu)
    clock = Clock(meter=counted)
    with clock.paused():
        gpu.millijoules += 1000
    clock.pause()
    assert counted.energy()["energy_j"] == 0
    assert counted.load() is None


def test_the_device_is_idle_when_the_counter_is_read() -> None:
    order: list[str] = []

    class Listener:
        def start(self) -> None:
            order.append("start")

        def pause(self) -> None:
            order.append("pause")

    def now() -> float:
        order.append("clock")
        return 0.0

    clock = Clock(lambda: order.append("synchronize"), now, Listener())
    clock.start()
    clock.pause()
    assert order == ["synchronize", "start", "clock", "synchronize", "clock", "pause"]


def test_the_load_is_the_median_over_the_pauses() -> None:
    gpu = FakeNvml(unsupported={"nvmlDeviceGetPowerUsage"})
    counted = meter(gpu)
    for gpu.sm_clock in (1500, 1980, 1900):
        counted.start()
        counted.pause()
    load = counted.load()
    assert load
    assert load["sm_clock_mhz"] == 1900
    assert load["power_w"] is None


def test_a_gpu_without_a_counter_leaves_the_figure_empty_and_a_reason() -> None:
    counted = meter(FakeNvml(unsupported={"nvmlDeviceGetTotalEnergyConsumption"}))
    counted.start()
    counted.pause()
    reason = "this GPU or its driver has no energy counter"
    assert counted.energy() == {"energy_j": None, "reason": reason}


def test_a_counter_that_fails_halfway_leaves_no_part_of_a_sum() -> None:
    gpu = FakeNvml()
    counted = meter(gpu)
    counted.start()
    gpu.millijoules += 1000
    counted.pause()
    counted.start()
    gpu.unsupported.add("nvmlDeviceGetTotalEnergyConsumption")
    counted.pause()
    assert counted.energy()["energy_j"] is None


def test_a_cpu_has_no_figure() -> None:
    counted = EnergyMeter.of(torch.device("cpu"))
    counted.start()
    counted.pause()
    assert counted.energy() == {"energy_j": None, "reason": "NVML measures NVIDIA GPUs only"}
