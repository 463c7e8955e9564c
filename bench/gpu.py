"""What the GPU programs share: whether there is one, and timing by its own clock."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

NO_GPU = "no CUDA device: torch {version} sees none, so nothing was {done}"


def demand_gpu(done: str) -> torch.device:
    """Return the current CUDA device, or end the program with one line and status 1."""
    if not torch.cuda.is_available():
        sys.exit(NO_GPU.format(version=torch.__version__, done=done))
    return torch.device("cuda", torch.cuda.current_device())


def event() -> torch.cuda.Event:
    """Return an event that can be timed."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def milliseconds(run: Callable[[], object], rounds: int, warm_up: int = 3) -> float:
    """Return the median time of `run` on the device, by events around each of `rounds` calls."""
    return alternate({"": run}, rounds, warm_up)[""]


def alternate(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, float]:
    """Return each contender's median milliseconds; they take turns, so that a clock that slows
    down does so for all. Launch gaps inside a call count: they are part of what it costs."""
    for run in contenders.values():
        for _ in range(warm_up):
            run()
    marks: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for name, run in contenders.items():
            begin, end = event(), event()
            torch.cuda.synchronize()
            begin.record()
            run()
            end.record()
            marks[name].append((begin, end))
    torch.cuda.synchronize()
    return {
        name: statistics.median(begin.elapsed_time(end) for begin, end in pairs)
        for name, pairs in marks.items()
    }


class EventBreakdown:
    """Exclusive milliseconds of a step's parts, by events that are read when all is done.

    A part inside another is not counted in it. The device is idle while the host prepares a
    launch, and that time belongs to the part it falls in: the parts add up to the eager step.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[str, Any, Any, int | None]] = []  # name, begin, end, index around
        self._open: list[int] = []
        self._restore: list[tuple[Any, str, Any, bool]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begin, end = event(), event()
        self._spans.append((name, begin, end, self._open[-1] if self._open else None))
        self._open.append(len(self._spans) - 1)
        begin.record()
        try:
            yield
        finally:
            end.record()
            self._open.pop()

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Replace `owner.attribute`, a callable, by one that is timed as part `name`."""
        inner = getattr(owner, attribute)
        self._restore.append((owner, attribute, inner, attribute in vars(owner)))

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return inner(*args, **kwargs)

        setattr(owner, attribute, timed)

    def unwrap(self) -> None:
        """Undo every `wrap`."""
        for owner, attribute, inner, own in reversed(self._restore):
            if own:
                setattr(owner, attribute, inner)
            else:
                delattr(owner, attribute)
        self._restore.clear()

    def milliseconds(self) -> dict[str, float]:
        """Return the sums by part; waits for the device."""
        torch.cuda.synchronize()
        return exclusive(
            [(name, begin.elapsed_time(end), outer) for name, begin, end, outer in self._spans]
        )


def exclusive(spans: list[tuple[str, float, int | None]]) -> dict[str, float]:
    """Return by name the sum of durations less those of spans directly inside. spans: name,
    duration, and the index of the span around it."""
    sums: dict[str, float] = defaultdict(float)
    for name, duration, outer in spans:
        sums[name] += duration
        if outer is not None:
            sums[spans[outer][0]] -= duration
    return dict(sums)
