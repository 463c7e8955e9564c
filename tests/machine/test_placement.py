"""Where a run computes: names resolved on this machine, mistakes told."""

from __future__ import annotations

import pytest

from effbench.errors import ConfigError
from effbench.machine.placement import place, rank_device, room_for_ranks


def test_a_cpu_computes_with_its_own_kernels() -> None:
    assert place("cpu") == ("cpu", "cpu"), "what auto stands for"
    assert place("cpu", "reference") == ("cpu", "reference")


@pytest.mark.parametrize(
    ("device", "backend", "message"),
    [
        ("tpu", "auto", "unknown device 'tpu'"),
        ("cuda:99", "auto", "device 'cuda:99' is not there"),
        ("cpu", "fast", "unknown kernel backend 'fast'"),
        ("cpu", "tcnn", "backend 'tcnn' runs on NVIDIA GPUs only"),
    ],
)
def test_what_is_not_there_is_told(device: str, backend: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        place(device, backend)


def test_ranks_have_a_gpu_each_and_share_a_cpu() -> None:
    assert [rank_device("cuda:1", rank) for rank in range(2)] == ["cuda:1", "cuda:2"]
    assert rank_device("cpu", 3) == "cpu"


def test_more_ranks_than_processors_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effbench.machine.environment.usable_threads", lambda: 4)
    assert room_for_ranks("cpu", 4) == ""
    assert "5 ranks share 4 processors" in room_for_ranks("cpu", 5)


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert room_for_ranks("cuda:1", 3) == ""
    with pytest.raises(ConfigError, match="4 ranks need 4 GPUs from cuda:1 on, and this machine"):
        room_for_ranks("cuda:1", 4)
