"""Where a run computes: names resolved on this machine, mistakes told."""

from __future__ import annotations

import pytest

from effbench.errors import ConfigError
from effbench.machine.placement import place


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
