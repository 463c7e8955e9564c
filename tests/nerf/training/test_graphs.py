"""When steps are recorded, replayed, and run as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from effbench.machine import devices
from effbench.nerf.training import graphs as training_graphs
from effbench.nerf.training.graphs import CudaRecorder, StepGraphs

Work = Callable[[], None]


class FakeRecorder:
    """Notes what it is asked for; a recording does the work without its host part.

    failures: the errors that the next calls of "eager", "rehearse" and "record" raise.
    """

    def __init__(self, **failures: list[Exception]) -> None:
        self.failures = failures
        self.calls: list[str] = []

    def eager(self, work: Work) -> None:
        self._note("eager")
        work()

    def rehearse(self, work: Work) -> None:
        self._note("rehearse")
        work()

    def record(self, work: Work) -> Work:
        self._note("record")

        def replay() -> None:
            self.calls.append("replay")
            work()

        return replay

    def release(self) -> None:
        self.calls.append("release")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.failures.get(call):
            raise self.failures[call].pop(0)


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


@pytest.mark.parametrize("where", ["rehearse", "record"])
def test_after_a_failure_every_step_is_run_as_it_is(where: str) -> None:
    error: Exception = RuntimeError("called a synchronizing operation\nand more")
    recorder = FakeRecorder(**{where: [error]})
    graphs, done = run(recorder, ["a"] * 6 + ["b"] * 3)
    assert done == ["a"] * 6 + ["b"] * 3  # none is lost, none done twice
    assert "replay" not in recorder.calls
    reason = "steps are not recorded: called a synchronizing operation"
    assert graphs.facts() == {"cuda_graphs": reason}


FULL = ["eager", "rehearse", "record", "replay"]  # of a key until it is replayed
OUT: Exception = torch.OutOfMemoryError("no memory")


@pytest.mark.parametrize("where", ["eager", "rehearse", "record"])
def test_where_memory_runs_out_recordings_make_room_and_it_is_done_once_more(where: str) -> None:
    recorder = FakeRecorder()
    graphs, done = run(recorder, ["a"] * 3)
    recorder.failures[where] = [OUT]
    for _ in range(4):
        graphs.run("b", lambda: done.append("b"))
    again = FULL.index(where)
    repeated = [*FULL[: again + 1], "release", where, *FULL[again + 1 :], "replay"]
    assert recorder.calls == [*FULL, *repeated]
    assert done == ["a"] * 3 + ["b"] * 4
    assert graphs.facts() == {"cuda_graphs": 1}
    graphs.run("a", lambda: done.append("a"))  # and what was dropped is recorded again
    assert recorder.calls[-2:] == ["record", "replay"]


@pytest.mark.parametrize("where", ["rehearse", "record"])
def test_where_memory_runs_out_again_every_step_is_run_as_it_is(where: str) -> None:
    recorder = FakeRecorder()
    graphs, done = run(recorder, ["a"] * 3)
    recorder.failures[where] = [OUT, OUT]
    for key in ["b"] * 4 + ["a"]:
        graphs.run(key, lambda: done.append(""))
    assert "replay" not in recorder.calls[len(FULL) :]
    assert len(done) == 8
    assert graphs.reason == "steps are not recorded: no memory"


def test_recordings_do_not_make_room_for_each_other_for_ever() -> None:
    recorder = FakeRecorder()
    graphs, done = run(recorder, ["a"] * 3)
    recorder.failures["record"] = [OUT]
    for key in "bbbb":
        graphs.run(key, lambda: done.append(""))
    recorder.failures["record"] = [OUT]
    graphs.run("a", lambda: done.append(""))
    assert graphs.reason == "steps are not recorded: no memory"
    assert recorder.calls[-3:] == ["record", "release", "eager"]
    assert len(done) == 8


@pytest.mark.parametrize("where", ["eager", "rehearse", "record"])
def test_a_step_that_needs_more_than_there_is_fails(where: str) -> None:
    recorder = FakeRecorder(**{where: [OUT]})
    graphs, _ = run(recorder, ["a"] * FULL.index(where))
    recorder.failures.setdefault("eager", []).append(OUT)
    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        graphs.run("a", lambda: None)


def test_what_was_used_longest_ago_makes_room_for_a_new_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_graphs, "_MOST_RECORDINGS", 2)
    recorder = FakeRecorder()
    graphs, _ = run(recorder, ["a"] * 3 + ["b"] * 3 + ["a"] + ["c"] * 3)
    assert graphs.facts() == {"cuda_graphs": 2}
    recorder.calls.clear()
    for key in "acb":
        graphs.run(key, lambda: None)
    assert recorder.calls == ["replay", "replay", "record", "replay"]


def test_an_error_of_the_step_itself_comes_through() -> None:
    graphs = StepGraphs(FakeRecorder())

    def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        graphs.run("a", work)


def test_an_error_of_an_eager_step_is_the_steps_own() -> None:
    recorder = FakeRecorder(eager=[RuntimeError("wrong")])
    graphs = StepGraphs(recorder)
    with pytest.raises(RuntimeError, match="wrong"):
        graphs.run("a", lambda: None)
    assert (recorder.calls, graphs.reason) == (["eager"], "")


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
        large = torch.rand(1 << 26, device=device)  # by torch's own generator
        reserved = torch.cuda.memory_reserved()
        del large
        torch.cuda.empty_cache()
        assert torch.cuda.memory_reserved() < reserved
