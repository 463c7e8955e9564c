"""When steps are recorded, replayed, and run as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from effbench.machine import devices
from effbench.nerf.training.graphs import CudaRecorder, StepGraphs

Work = Callable[[], None]


class FakeRecorder:
    """Notes what it is asked for; a recording does the work without its host part."""

    def __init__(self, rehearsal: str = "", recording: str = "") -> None:
        self.rehearsal, self.recording = rehearsal, recording
        self.calls: list[str] = []

    def eager(self, work: Work) -> None:
        self.calls.append("eager")
        work()

    def rehearse(self, work: Work) -> None:
        self.calls.append("rehearse")
        if self.rehearsal:
            raise RuntimeError(self.rehearsal)
        work()

    def record(self, work: Work) -> Work:
        self.calls.append("record")
        if self.recording:
            raise RuntimeError(self.recording)

        def replay() -> None:
            self.calls.append("replay")
            work()

        return replay


def run(recorder: FakeRecorder, keys: list[Any]) -> tuple[StepGraphs, list[Any]]:
    graphs, done = StepGraphs(recorder), []
    for key in keys:
        graphs.run(key, lambda key=key: done.append(key))  # type: ignore[misc]
    return graphs, done


def test_a_step_is_run_rehearsed_recorded_and_then_replayed() -> None:
    recorder = FakeRecorder()
    graphs, done = run(recorder, ["a"] * 5)
    assert recorder.calls == ["eager", "rehearse", "record", "replay", "replay", "replay"]
    assert done == ["a"] * 5  # each step is done once
    assert graphs.facts() == {"cuda_graphs": 1}


def test_every_size_has_its_own_recording() -> None:
    recorder = FakeRecorder()
    graphs, done = run(recorder, ["a", "b"] * 4)
    assert done == ["a", "b"] * 4
    assert recorder.calls.count("record") == 2
    assert graphs.facts() == {"cuda_graphs": 2}


@pytest.mark.parametrize("where", ["rehearsal", "recording"])
def test_after_a_failure_every_step_is_run_as_it_is(where: str) -> None:
    recorder = FakeRecorder(**{where: "called a synchronizing operation\nand more"})
    graphs, done = run(recorder, ["a"] * 6 + ["b"] * 3)
    assert done == ["a"] * 6 + ["b"] * 3  # none is lost, none done twice
    assert "replay" not in recorder.calls
    reason = "steps are not recorded: called a synchronizing operation"
    assert graphs.facts() == {"cuda_graphs": reason}


def test_out_of_memory_is_no_reason_to_go_on_otherwise() -> None:
    recorder = FakeRecorder()

    def work() -> None:
        raise torch.OutOfMemoryError("no memory")

    graphs = StepGraphs(recorder)
    graphs.run("a", lambda: None)
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run("a", work)  # the rehearsal
    assert graphs.reason == ""


def test_an_error_of_the_step_itself_comes_through() -> None:
    graphs = StepGraphs(FakeRecorder())

    def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        graphs.run("a", work)


def test_measurements_can_ask_for_eager_steps() -> None:
    recorder = FakeRecorder()
    graphs, done = run(recorder, ["a"] * 4)
    with devices.eager_steps():
        graphs.run("a", lambda: done.append("a"))
    assert recorder.calls[-1] == "eager"
    graphs.run("a", lambda: done.append("a"))
    assert recorder.calls[-1] == "replay"


def test_a_device_that_records_nothing_just_works() -> None:
    graphs, done = StepGraphs(None, "a CPU records nothing"), []
    graphs.run("a", lambda: done.append(1))
    assert done == [1]
    assert graphs.facts() == {"cuda_graphs": "a CPU records nothing"}


class TestOnAGpu:
    pytestmark = pytest.mark.gpu

    @pytest.fixture
    def device(self) -> torch.device:
        return torch.device("cuda")

    def graphs(self, generator: torch.Generator) -> StepGraphs:
        recorder = CudaRecorder(generator.device, lambda: generator, lambda: None)
        return StepGraphs(recorder)

    def test_replays_draw_new_numbers_and_keep_results(self, device: torch.device) -> None:
        generator = torch.Generator(device).manual_seed(0)
        graphs, out = self.graphs(generator), torch.zeros(3, device=device)
        seen = set()

        def work() -> None:
            out.copy_(torch.rand(3, generator=generator, device=device))

        for _ in range(8):
            graphs.run("a", work)
            seen.add(tuple(out.tolist()))
        assert graphs.reason == ""
        assert len(seen) == 8

    def test_gradients_and_adam_are_recorded(self, device: torch.device) -> None:
        weight = torch.full((4,), 2.0, device=device, requires_grad=True)
        rate = torch.tensor(0.1, device=device)
        adam = torch.optim.Adam([weight], lr=rate, fused=True, capturable=True)

        def work() -> None:
            adam.zero_grad(set_to_none=True)
            weight.square().sum().backward()
            adam.step()
            adam.zero_grad(set_to_none=True)

        graphs = self.graphs(torch.Generator(device))
        for _ in range(60):
            graphs.run("a", work)
        assert graphs.reason == ""
        assert float(weight.abs().max()) < 0.2
        before = weight.detach().clone()
        rate.fill_(0)  # a replay reads the rate anew
        graphs.run("a", work)
        assert torch.equal(weight.detach(), before)

    def test_a_step_that_waits_for_the_device_is_run_as_it_is(self, device: torch.device) -> None:
        graphs, total = self.graphs(torch.Generator(device)), torch.zeros((), device=device)

        def work() -> None:
            if float(total) >= 0:
                total.add_(1)

        for _ in range(6):
            graphs.run("a", work)
        assert graphs.reason.startswith("steps are not recorded:")
        assert float(total) == 6

    def test_a_failed_recording_leaves_everything_usable(self, device: torch.device) -> None:
        generators = [torch.Generator(device).manual_seed(0)]

        def renew() -> None:
            generators.append(torch.Generator(device).manual_seed(1))

        recorder = CudaRecorder(device, lambda: generators[-1], renew)
        total = torch.zeros((), device=device)

        def wait() -> None:
            total.add_(torch.rand((), generator=generators[-1], device=device))
            total.item()

        with pytest.raises(RuntimeError):
            recorder.record(wait)
        assert len(generators) == 2
        recorder.eager(wait)
        assert total.isfinite()
