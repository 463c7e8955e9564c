"""How long each part of something took, by the host's clock or by a GPU's own."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Breakdown:
    """Exclusive seconds per part: a part that runs inside another is not counted in it.

    Read by Python calls on the host: right on a CPU only, where nothing is asynchronous.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[tuple[str, float]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        now = time.perf_counter()
        if self._open:
            outer, since = self._open[-1]
            self.seconds[outer] += now - since
        self._open.append((name, now))
        try:
            yield
        finally:
            now = time.perf_counter()
            _, since = self._open.pop()
            self.seconds[name] += now - since
            if self._open:
                self._open[-1] = (self._open[-1][0], now)

    def milliseconds(self) -> dict[str, float]:
        """Return the sums by part."""
        return {name: 1e3 * seconds for name, seconds in self.seconds.items()}


class EventBreakdown:
    """Exclusive milliseconds of a step's parts, by events that are read when all is done.

    A part inside another is not counted in it. The device is idle while the host prepares a
    launch, and that time belongs to the part it falls in: the parts add up to the eager step.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[str, Any, Any, int | None]] = []  # name, begin, end, index around
        self._open: list[int] = []

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

    def milliseconds(self) -> dict[str, float]:
        """Return the sums by part; waits for the device."""
        torch.cuda.synchronize()
        return exclusive(
            [(name, begin.elapsed_time(end), outer) for name, begin, end, outer in self._spans]
        )


def breakdown_on(device: torch.device) -> Breakdown | EventBreakdown:
    """Return what tells the parts of work on a device."""
    return EventBreakdown() if device.type == "cuda" else Breakdown()


def event() -> torch.cuda.Event:
    """Return an event that can be timed."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def exclusive(spans: list[tuple[str, float, int | None]]) -> dict[str, float]:
    """Return by name the sum of durations less those of spans directly inside. spans: name,
    duration, and the index of the span around it."""
    sums: dict[str, float] = defaultdict(float)
    for name, duration, outer in spans:
        sums[name] += duration
        if outer is not None:
            sums[spans[outer][0]] -= duration
    return dict(sums)
