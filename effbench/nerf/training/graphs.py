"""Steps recorded as CUDA graphs: the host launches one thing instead of some hundred kernels.

A step is recorded per key (the sizes of its buffers). Recording needs memory that stays where it
is, so a step's results are copied into tensors made before, and everything else that it makes is
dead when it ends: recordings share one pool of memory, since they never run at the same time.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

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


class StepGraphs:
    """Runs a step eagerly at first, then recorded; eagerly for ever once recording has failed.

    What `work` does on the host happens when it is run eagerly and when it is recorded, not when a
    recording is run: host state belongs outside.
    """

    def __init__(self, recorder: Recorder | None, why_not: str = "") -> None:
        """recorder: None for a device that records nothing, with the reason in `why_not`."""
        self._recorder = recorder
        self.reason = why_not  # why steps are not recorded, "" while they are
        self._recordings: dict[Hashable, Work] = {}
        self._seen: dict[Hashable, int] = {}

    def run(self, key: Hashable, work: Work) -> None:
        """Do one step: `work`, or its recording for `key`."""
        recorder = self._recorder
        if recorder is None:
            work()
            return
        if self.reason or devices.eager_wanted():
            recorder.eager(work)
            return
        if key not in self._recordings:
            self._seen[key] = self._seen.get(key, 0) + 1
            if self._seen[key] < _EAGER_STEPS:
                recorder.eager(work)
                return
            if self._seen[key] == _EAGER_STEPS:
                self._attempt(lambda: recorder.rehearse(work), recorder, work)
                return
            if not self._attempt(lambda: self._record(key, recorder, work), recorder, work):
                return
        self._recordings[key]()

    def facts(self) -> dict[str, Any]:
        """Return what a record should say: `cuda_graphs`, how many there are or why none."""
        return {"cuda_graphs": self.reason or len(self._recordings)}

    def _record(self, key: Hashable, recorder: Recorder, work: Work) -> None:
        if len(self._recordings) == _MOST_RECORDINGS:
            self._recordings.pop(next(iter(self._recordings)))
        self._recordings[key] = recorder.record(work)

    def _attempt(self, run: Work, recorder: Recorder, work: Work) -> bool:
        """Run; when that fails, drop all recordings for good, do the step eagerly, return False."""
        try:
            run()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.reason = f"steps are not recorded: {str(error).strip().splitlines()[0]}"
            self._recordings.clear()
            recorder.eager(work)
        return not self.reason


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
        with self._on_stream():
            work()

    def rehearse(self, work: Work) -> None:
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # once: the mode may not notice everything
            torch.cuda.set_sync_debug_mode("error")
        try:
            self.eager(work)
        finally:
            torch.cuda.set_sync_debug_mode(before)

    def record(self, work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator())
        torch.cuda.synchronize(self._device)
        with _no_collection(), self._on_stream():
            # other threads, such as the one that watches the parent process, are not our business
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                work()
            except BaseException:
                with contextlib.suppress(RuntimeError):
                    graph.capture_end()
                self._recover()
                raise
            try:
                graph.capture_end()
            except RuntimeError:
                self._recover()
                raise
        return graph.replay

    def _recover(self) -> None:
        """Leave behind whatever a failed recording may have left half done."""
        self._renew()
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def _on_stream(self) -> Iterator[None]:
        """Work on the side stream, after what is queued here and before what comes next."""
        stream, current = self._stream, torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            yield
        current.wait_stream(stream)


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
