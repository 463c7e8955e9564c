"""Processes that try inputs, one each at a time, and are replaced where an input ends them."""

from __future__ import annotations

import functools
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tests.fuzz import worker
from tests.fuzz.worker import SCENE, Outcome

HANG, DIED = "hang", "died"
Serve = Callable[[Connection, int, Path], None]  # pipe, seed, where to lay out files
_START = 120.0  # seconds that a process may take to import what it needs


class _Process:
    """A worker, the input that it has (None: it starts, or has none) and since when."""

    def __init__(self, serve: Serve, seed: int, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=serve, args=(far, seed, folder), daemon=True)
        self.process.start()
        far.close()
        self.ready = False
        self.index: int | None = None
        self.since = time.monotonic()

    def give(self, index: int | None) -> None:
        self.index, self.since = index, time.monotonic()
        self.pipe.send(index)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Pool:
    """`count` processes that are replaced where an input ends them, or takes more than `limit`
    seconds; serve: what they run."""

    def __init__(self, count: int, seed: int, limit: float, serve: Serve = worker.serve) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="effbench-fuzz-")
        self._start = functools.partial(_Process, serve, seed, Path(self._folder.name))
        self._limit = limit
        self._processes = [self._start() for _ in range(count)]

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._processes:
            each.stop()
        self._folder.cleanup()

    def outcomes(self, numbers: range) -> Iterator[tuple[int, Outcome]]:
        """Yield how inputs end, in no fixed order."""
        todo = iter(numbers)
        left = len(numbers)
        while left:
            ready = wait([each.pipe for each in self._processes], timeout=1.0)
            for place, each in enumerate(self._processes):
                ended = self._ended(each, ready)
                if ended is None:
                    continue
                if each.index is not None:
                    left -= 1
                    yield each.index, ended
                if ended[0] in (HANG, DIED):
                    if not each.ready:
                        raise RuntimeError("a worker did not start")
                    each.stop()
                    self._processes[place] = self._start()
                    continue
                each.ready, each.index = True, None
                if (index := next(todo, None)) is not None:
                    each.give(index)

    def _ended(self, each: _Process, ready: Collection[object]) -> Outcome | None:
        """Return how a process' input ended, or that it has started; None while it has not."""
        if each.pipe in ready:
            try:
                return each.pipe.recv() or (SCENE, "")
            except EOFError:
                each.process.join()
                return DIED, f"the process ended with {each.process.exitcode}"
        limit = self._limit if each.ready else _START
        idle = each.ready and each.index is None
        if not idle and time.monotonic() - each.since > limit:
            return HANG, f"more than {limit:g} s"
        return None
