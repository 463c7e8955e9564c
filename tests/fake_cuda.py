"""What recording a step asks of `torch.cuda`, without a GPU: work is noted in the order in which it
is asked for, with the stream that it is on, and done when a device would do it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

DEVICE = torch.device("cuda", 0)
_ERROR = 2  # sync debug mode "error", as torch numbers it


class FakeCuda:
    """A device with a default stream and others, a capture, an allocator and generators.

    calls: what happened, such as "default: replay". Failures are asked for by the name of a call:
    `fail("capture_end", RuntimeError("..."))` lets the next one raise.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._failures: dict[str, list[Exception]] = {}
        self.default = Stream("default", self)
        self.current = self.default
        self.mode, self._warned = 0, False
        self.capture: Graph | None = None
        self.underway: set[int] = set()  # pools that the allocator allocates to
        self.pools = self.streams = 0
        self.generator = Generator()  # torch's own
        for name in ("synchronize", "empty_cache", "graph_pool_handle", "stream"):
            patch.setattr(torch.cuda, name, getattr(self, name))
        for name in ("get_sync_debug_mode", "set_sync_debug_mode", "current_stream"):
            patch.setattr(torch.cuda, name, getattr(self, name))
        patch.setattr(torch.cuda, "Stream", self._new_stream)
        patch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(self))
        patch.setattr(torch.cuda, "default_generators", (self.generator,))
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch._C, "_cuda_endAllocateToPool", self._end_allocate, raising=False)

    def note(self, call: str) -> None:
        """Write a call down; raise what it is to fail with."""
        self.calls.append(call)
        failures = self._failures.get(call.split(": ")[-1], [])
        if failures:
            raise failures.pop(0)

    def fail(self, call: str, *errors: Exception) -> None:
        self._failures[call] = list(errors)

    def launch(self, name: str, kernel: Callable[[], object] = lambda: None) -> None:
        """Do what a kernel does: now, or at each replay of what is captured."""
        self.note(f"{self.current.name}: {name}")
        if self.capture is None:
            kernel()
        else:
            self.capture.kernels.append(kernel)

    def wait(self) -> None:
        """Read a value from the device."""
        if self.mode == _ERROR:
            raise RuntimeError("called a synchronizing CUDA operation")
        if self.capture is not None:
            self.capture.valid = False
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    def draw(self) -> None:
        """Take random numbers from torch's own generator, outside of a capture."""
        if self.generator.capturing:
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")

    def synchronize(self, device: torch.device | None = None) -> None:
        self.note("synchronize")

    def empty_cache(self) -> None:
        if self.underway:
            raise RuntimeError("INTERNAL ASSERT FAILED: captures_underway.empty()")
        self.note("empty_cache")

    def graph_pool_handle(self) -> int:
        self.pools += 1
        return self.pools

    def get_sync_debug_mode(self) -> int:
        return self.mode

    def set_sync_debug_mode(self, mode: int | str) -> None:
        """As torch does: the mode is set, and only then, once, a warning is given."""
        self.mode = mode if isinstance(mode, int) else ("default", "warn", "error").index(mode)
        if not self._warned:
            self._warned = True
            warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=2)

    def current_stream(self, device: torch.device | None = None) -> Stream:
        return self.current

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def _new_stream(self, device: torch.device) -> Stream:
        self.streams += 1
        return Stream(f"side {self.streams}", self)

    def _end_allocate(self, index: int, pool: int) -> None:
        if pool not in self.underway:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.underway.remove(pool)


class Stream:
    def __init__(self, name: str, cuda: FakeCuda) -> None:
        self.name, self._cuda = name, cuda

    def wait_stream(self, other: Stream) -> None:
        self._cuda.note(f"{self.name}: wait for {other.name}")


class Generator:
    """A generator of random numbers on the device. capturing: a capture draws from it, and nobody
    else may."""

    def __init__(self, device: torch.device = DEVICE) -> None:
        self.capturing, self.seed = False, 0

    def manual_seed(self, seed: int) -> Generator:
        self.seed = seed
        return self

    def initial_seed(self) -> int:
        return self.seed

    def graphsafe_set_state(self, other: Generator) -> None:
        self.capturing, self.seed = other.capturing, other.seed


class Graph:
    """A CUDA graph: what is launched while it is captured is done when it is replayed."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda, self.valid = cuda, True
        self.kernels: list[Callable[[], object]] = []
        self._generators = [cuda.generator]
        self._pool = 0

    def register_generator_state(self, generator: Any) -> None:
        self._cuda.note("register generator")
        if isinstance(generator, Generator):  # else the CPU's, of a method that is there
            self._generators.append(generator)

    def capture_begin(self, pool: int, capture_error_mode: str) -> None:
        cuda = self._cuda
        assert cuda.current is not cuda.default, "the default stream cannot be captured"
        self._pool = pool
        self._set_capturing(True)
        cuda.underway.add(pool)
        cuda.note("capture_begin")
        cuda.capture = self

    def capture_end(self) -> None:
        """End: before the allocator and the generators hear of it, where the capture is invalid."""
        cuda = self._cuda
        cuda.capture = None
        cuda.note("capture_end")
        if not self.valid:
            raise RuntimeError("CUDA error: operation failed due to a previous error")
        cuda.underway.remove(self._pool)
        self._set_capturing(False)

    def replay(self) -> None:
        self._cuda.note(f"{self._cuda.current.name}: replay")
        for kernel in self.kernels:
            kernel()

    def _set_capturing(self, capturing: bool) -> None:
        for generator in self._generators:
            generator.capturing = capturing
