"""How `CudaRecorder` goes about recording, on a device that only notes what it is asked for.

Warnings are errors here as in every test.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch

from effbench.nerf.training.graphs import CudaRecorder, StepGraphs
from tests.fake_cuda import DEVICE, FakeCuda, Generator


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


class Training:
    """Steps that add one to a sum on the device, and tell the host that they were prepared."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda, self.total, self.prepared = cuda, 0, 0
        self.generators = [Generator()]
        recorder = CudaRecorder(DEVICE, lambda: self.generators[-1], self.renew)  # type: ignore[arg-type,return-value]
        self.graphs = StepGraphs(recorder)
        self.before: Callable[[], None] = lambda: None

    def renew(self) -> None:
        self.generators.append(Generator())

    def step(self) -> None:
        self.graphs.run("size", self.work)

    def work(self) -> None:
        self.prepared += 1
        self.before()
        self.cuda.launch("add", self.add)

    def add(self) -> None:
        self.total += 1

    def calls(self) -> list[str]:
        """Do a step; return what was asked of the device."""
        self.cuda.calls.clear()
        self.step()
        return self.cuda.calls


EAGER = ["side 1: wait for default", "side 1: add", "default: wait for side 1"]


def test_a_step_is_run_rehearsed_recorded_and_replayed(cuda: FakeCuda) -> None:
    training = Training(cuda)
    assert training.calls() == EAGER
    assert training.calls() == EAGER  # while waiting is an error
    assert training.calls() == [
        *("register generator", "synchronize", "empty_cache", "capture_begin"),
        *("side 1: add", "capture_end", "default: replay"),
    ]
    assert training.calls() == ["default: replay"]
    assert (training.total, training.prepared, cuda.mode) == (4, 3, 0)
    assert training.graphs.facts() == {"cuda_graphs": 1}


def test_nothing_but_replays_is_on_the_default_stream(cuda: FakeCuda) -> None:
    training = Training(cuda)
    for _ in range(6):
        training.step()
    there = [call for call in cuda.calls if call.startswith("default") and "wait" not in call]
    assert there == ["default: replay"] * 4


def test_garbage_is_not_collected_while_a_step_is_recorded(cuda: FakeCuda) -> None:
    training, enabled = Training(cuda), []
    training.before = lambda: enabled.append(gc.isenabled())
    for _ in range(3):
        training.step()
    assert enabled == [True, True, False]
    assert gc.isenabled()


def all_is_usable(cuda: FakeCuda, training: Training) -> bool:
    """Return whether the allocator, the generators and the host may go on as before."""
    cuda.draw()
    cuda.empty_cache()
    cuda.wait()
    usable = not training.generators[-1].capturing and cuda.capture is None
    return usable and cuda.current is cuda.default and gc.isenabled()


def wait_at(cuda: FakeCuda, step: int) -> Callable[[], None]:
    """Return what makes the host wait in the step of that number."""
    steps = iter(range(1, 9))
    return lambda: cuda.wait() if next(steps) == step else None


@pytest.mark.parametrize("step", [2, 3], ids=["rehearsed", "recorded"])
def test_a_step_that_waits_is_run_as_it_is_from_then_on(cuda: FakeCuda, step: int) -> None:
    training = Training(cuda)
    training.before = wait_at(cuda, step)
    for _ in range(6):
        training.step()
    assert training.total == 6
    assert training.graphs.reason.startswith("steps are not recorded: ")
    assert all_is_usable(cuda, training)
    assert "default: replay" not in cuda.calls


OUT = torch.OutOfMemoryError("no memory")


@pytest.mark.parametrize("call", ["capture_begin", "capture_end", "add"])
@pytest.mark.parametrize("error", [RuntimeError("boom"), OUT], ids=["error", "memory"])
def test_after_a_recording_that_failed_all_is_usable(
    cuda: FakeCuda, call: str, error: Exception
) -> None:
    training = Training(cuda)
    training.step()
    training.step()
    cuda.fail(call, error)
    assert training.calls()[-3:] == [line.replace("side 1", "side 2") for line in EAGER]
    training.step()
    assert training.total == 4
    assert training.graphs.reason == f"steps are not recorded: {error}"
    assert all_is_usable(cuda, training)


@pytest.mark.parametrize("call", ["capture_begin", "capture_end", "add"])
@pytest.mark.parametrize("times", [1, 2])
def test_memory_that_runs_out_is_made_once(cuda: FakeCuda, call: str, times: int) -> None:
    training = Training(cuda)
    for _ in range(3):
        training.step()
    for _ in range(2):
        training.graphs.run("another size", training.work)
    cuda.fail(call, *[OUT] * times)
    for _ in range(2):
        training.graphs.run("another size", training.work)
    assert training.total == 7
    expected = 1 if times == 1 else "steps are not recorded: no memory"
    assert training.graphs.facts() == {"cuda_graphs": expected}
    assert all_is_usable(cuda, training)


@pytest.mark.parametrize("step", [1, 2])
def test_memory_that_runs_out_without_recordings_is_the_steps_own(
    cuda: FakeCuda, step: int
) -> None:
    training = Training(cuda)
    for _ in range(step - 1):
        training.step()
    cuda.fail("add", OUT, OUT)
    with pytest.raises(torch.OutOfMemoryError):
        training.step()
    assert all_is_usable(cuda, training)
