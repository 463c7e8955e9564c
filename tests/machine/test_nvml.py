"""What is asked of a GPU's driver, and what happens where it has no answer."""

from __future__ import annotations

import sys

import pytest
import torch

from effbench.machine import nvml
from tests.fake_nvml import UUID, FakeNvml

CUDA = torch.device("cuda:0")


def gpu(library: FakeNvml) -> nvml.Gpu:
    found, reason = nvml.find(CUDA, library, UUID)
    assert found, reason
    return found


def test_facts_carry_their_units() -> None:
    assert gpu(FakeNvml()).facts() == {
        "name": "Fake GPU",
        "uuid": UUID,
        "driver": "580.1",
        "memory_mb": 24000,
        "power_limit_w": 700.0,
        "sm_clock_max_mhz": 1980,
        "memory_clock_max_mhz": 3201,
    }


def test_what_a_gpu_does_not_report_is_none() -> None:
    load = gpu(FakeNvml(unsupported={"nvmlDeviceGetPowerUsage"})).load()
    expected = {"sm_clock_mhz": 1980, "memory_clock_mhz": 3201, "temperature_c": 61}
    assert load == {**expected, "power_w": None}


def test_a_gpu_says_how_busy_it_is_if_it_can() -> None:
    assert gpu(FakeNvml()).utilisation() == 0.75
    assert gpu(FakeNvml(unsupported={"nvmlDeviceGetUtilizationRates"})).utilisation() is None


def test_a_slice_of_a_gpu_is_found_by_its_own_kind_of_number() -> None:
    assert nvml.find(CUDA, FakeNvml(uuid="MIG-0000"), "GPU-0000")[0]


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        (FakeNvml(uuid="another"), "NVML: Not Found"),
        (FakeNvml(unsupported={"nvmlInit"}), "NVML: Not Supported"),
    ],
)
def test_a_gpu_that_cannot_be_asked_leaves_a_reason(library: FakeNvml, reason: str) -> None:
    assert nvml.find(CUDA, library, UUID) == (None, reason)


def test_a_cpu_has_none() -> None:
    assert nvml.find(torch.device("cpu")) == (None, "NVML measures NVIDIA GPUs only")


def test_without_the_library_the_reason_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.find(CUDA, uuid=UUID)[1].endswith("pip install nvidia-ml-py")


@pytest.mark.gpu
def test_the_gpu_here_is_found_and_its_energy_grows() -> None:
    found, reason = nvml.find(CUDA)
    assert found, reason
    facts = found.facts()
    assert facts["uuid"] == nvml.device_uuid(CUDA)
    before = found.energy_j()
    matrix = torch.ones(4096, 4096, device=CUDA)
    for _ in range(500):
        matrix @ matrix
    torch.cuda.synchronize()
    after = found.energy_j()
    if before is None or after is None:
        pytest.skip("this GPU has no energy counter")
    assert after >= before
