"""Steps recorded as CUDA graphs: the host launches one thing instead of some hundred kernels.

A step is recorded per key (the sizes of its buffers). Recording needs memory that stays where it
is, so a step's results are copied into tensors made before, and everything else that it makes is
dead when it ends: recordings share one pool of memory, since they never run at the same time.
"""

from __future__ import annotations

import contextlib
import gc
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch

from effbench.machine import devices

Work = Callable[[], None]

_EAGER_STEPS = 2  # of a key before it is recorded: kernels get compiled, keys of passage pass by
_MOST_RECORDINGS = 64


class Recorder(Protocol):
    """Runs and records device work. `CudaRecorder`, or a stand-in of a test."""

    def eager(self, work: Work) -> None:
        """Run `work` as it is."""

    def rehearse(self, work: Work) -> None:
        """Run `work`; raises RuntimeError when it makes the host wait, which no graph can."""

    def record(self, work: Work) -> Work:
        """Return what runs `work` again. Raises RuntimeError where that cannot be."""

    def release(self) -> None:
        """Give back the memory of all recordings, which nobody has any more."""


class StepGraphs:
    """Runs a step eagerly at first, then recorded; eagerly for ever once recording has failed.

    Recordings keep memory. Where it runs out, all of them are dropped and what failed is done once
    more; where it runs out again, nothing is recorded any more.

    What `work` does on the host happens when it is run eagerly and when it is recorded, not when a
    recording is run: host state belongs outside.
    """

    def __init__(self, recorder: Recorder | None, why_not: str = "") -> None:
        """recorder: None for a device that records nothing, with the reason in `why_not`."""
        self._recorder = recorder
        self.reason = why_not  # why steps are not recorded, "" while they are
        self._recordings: OrderedDict[Hashable, Work] = OrderedDict()  # the last used is the last
        self._seen: dict[Hashable, int] = {}
        self._ran_out = False  # of memory, once

    def run(self, key: Hashable, work: Work) -> None:
        """Do one step: `work`, or its recording for `key`."""
        recorder = self._recorder
        if recorder is None:
            work()
        elif self.reason:
            recorder.eager(work)
        elif devices.eager_wanted():
            self._eager(recorder, work)
        elif key in self._recordings:
            self._replay(key)
        else:
            self._seen[key] = self._seen.get(key, 0) + 1
            self._run_unrecorded(key, recorder, work)

    def facts(self) -> dict[str, Any]:
        """Return what a record should say: `cuda_graphs`, how many there are or why none."""
        return {"cuda_graphs": self.reason or len(self._recordings)}

    def _run_unrecorded(self, key: Hashable, recorder: Recorder, work: Work) -> None:
        if self._seen[key] < _EAGER_STEPS:
            self._eager(recorder, work)
        elif self._seen[key] == _EAGER_STEPS:
            self._attempt(lambda: recorder.rehearse(work), recorder, work)
        elif self._attempt(lambda: self._record(key, recorder, work), recorder, work):
            self._replay(key)

    def _eager(self, recorder: Recorder, work: Work) -> None:
        try:
            recorder.eager(work)
            return
        except torch.OutOfMemoryError:
            if not self._recordings:
                raise
        self._ran_out = True
        self._forget(recorder)
        recorder.eager(work)

    def _record(self, key: Hashable, recorder: Recorder, work: Work) -> None:
        if len(self._recordings) == _MOST_RECORDINGS:
            self._recordings.popitem(last=False)
        self._recordings[key] = recorder.record(work)

    def _replay(self, key: Hashable) -> None:
        self._recordings.move_to_end(key)
        self._recordings[key]()

    def _attempt(self, run: Work, recorder: Recorder, work: Work) -> bool:
        """Run, once more if memory ran out for the first time; when that fails, record nothing any
        more, do the step eagerly, and return False."""
        failed = _failure(run)
        if failed and failed.memory and self._recordings and not self._ran_out:
            self._ran_out = True
            self._forget(recorder)
            failed = _failure(run)
        if failed:
            self.reason = f"steps are not recorded: {failed.reason}"
            self._forget(recorder)
            recorder.eager(work)
        return not failed

    def _forget(self, recorder: Recorder) -> None:
        self._recordings.clear()
        recorder.release()


class _Failure(NamedTuple):
    """memory: whether there was too little of it."""

    reason: str
    memory: bool


def _failure(run: Work) -> _Failure | None:
    """Run; return what went wrong, but not the error itself, which holds on to what its frames
    have allocated."""
    try:
        run()
    except RuntimeError as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return _Failure(reason, isinstance(error, torch.OutOfMemoryError))
    return None


class CudaRecorder:
    """Eager work and recordings on one side stream, which recording demands.

    generator: gives what the work draws random numbers from; `renew` is called after a recording
    failed, which may leave the generator in the middle of it.
    """

    def __init__(
        self,
        device: torch.device,
        generator: Callable[[], torch.Generator],
        renew: Callable[[], None],
    ) -> None:
        self._device, self._generator, self._renew = device, generator, renew
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def eager(self, work: Work) -> None:
        """Run `work` on the side stream, after what is queued here and before what comes next."""
        stream, current = self._stream, torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        try:
            with torch.cuda.stream(stream):
                work()
        finally:
            current.wait_stream(stream)

    def rehearse(self, work: Work) -> None:
        with devices.no_waiting(self._device):
            self.eager(work)

    def record(self, work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator())
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()  # what eager steps left there, a recording could not take back
        with _no_collection(), torch.cuda.stream(self._stream):
            try:
                _capture(graph, self._pool, work)
            except BaseException:
                self._recover()
                raise
        return graph.replay

    def release(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()  # the old one ends with its recordings
        torch.cuda.empty_cache()

    def _recover(self) -> None:
        """Leave behind whatever a failed recording may have left half done."""
        _end_allocation(self._device, self._pool)
        _renew_default_generator(self._device)
        self._renew()
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()


def _capture(graph: torch.cuda.CUDAGraph, pool: Any, work: Work) -> None:
    # other threads, such as the one that watches the parent process, are not our business
    graph.capture_begin(pool=pool, capture_error_mode="thread_local")
    try:
        work()
    except BaseException:
        with contextlib.suppress(RuntimeError):
            graph.capture_end()
        raise
    graph.capture_end()


def _end_allocation(device: torch.device, pool: Any) -> None:
    """Let the allocator leave a pool: a capture that was invalidated ends before that, and no cache
    could be emptied any more."""
    for name in ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"):
        if hasattr(torch._C, name):  # the second: its name before torch 2.7
            with contextlib.suppress(RuntimeError):  # it has left the pool already
                getattr(torch._C, name)(_index(device), pool)


def _renew_default_generator(device: torch.device) -> None:
    """Give torch's own generator a state that no capture has begun to use: every capture registers
    it, and one that was invalidated leaves it unable to draw."""
    default = torch.cuda.default_generators[_index(device)]
    if hasattr(default, "graphsafe_set_state"):
        fresh = torch.Generator(device).manual_seed(default.initial_seed() + 1)
        default.graphsafe_set_state(fresh)


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from freeing device memory while a step is recorded."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
