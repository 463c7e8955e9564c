"""What a device is told to do."""

from __future__ import annotations

import pytest
import torch

from effbench.errors import ConfigError
from effbench.machine import cuda_build, devices
from tests.fake_cuda import DEVICE, FakeCuda

SUBNORMAL = 1e-40


def flushes(count: int) -> bool:
    """Return whether products of subnormal numbers vanish; many are computed by all threads."""
    return bool((torch.full([count], SUBNORMAL) * 1 == 0).all())


@pytest.mark.parametrize("count", [1, 1_000_000])
def test_subnormal_numbers_are_zero_inside_only(count: int) -> None:
    assert not flushes(count)
    with devices.subnormals_flushed():
        assert flushes(count)
        with devices.subnormals_flushed():
            assert flushes(count)
        assert flushes(count)
    assert not flushes(count)


def test_a_gpu_is_named_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve("auto") == devices.resolve("cuda") == "cuda:0"
    assert devices.resolve("cuda:1") == "cuda:1"
    with pytest.raises(ConfigError, match=r"'cuda:2' is not there \(2 CUDA devices are\)"):
        devices.resolve("cuda:2")


def test_a_gpu_that_torch_does_not_see_comes_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cuda_build, "why_unseen", lambda: "a build without CUDA")
    with pytest.raises(ConfigError, match=r"\(0 CUDA devices are\).*; a build without CUDA"):
        devices.resolve("cuda")


def test_eager_steps_are_wanted_inside_only() -> None:
    assert not devices.eager_wanted()
    with devices.eager_steps():
        assert devices.eager_wanted()
    assert not devices.eager_wanted()


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), devices.subnormals_flushed():
        _ = 1 / 0
    assert not flushes(1)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


def test_waiting_is_an_error_inside_only(cuda: FakeCuda) -> None:
    """torch warns of the mode once, after it was set; warnings are errors in tests."""
    for _ in range(2):
        with pytest.raises(RuntimeError, match="called a sync"), devices.no_waiting(DEVICE):
            cuda.wait()
        cuda.wait()


def test_the_mode_before_comes_back_after_an_error_too(cuda: FakeCuda) -> None:
    cuda.mode = 1
    with pytest.raises(ZeroDivisionError), devices.no_waiting(DEVICE):
        _ = 1 / 0
    assert cuda.mode == 1


def test_a_cpu_has_nothing_to_wait_for(cuda: FakeCuda) -> None:
    with devices.no_waiting(torch.device("cpu")):
        cuda.wait()
