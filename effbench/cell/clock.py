"""Training time: a pausable, device-synchronised stopwatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Meter(Protocol):
    """Something else to be counted while a clock runs, such as energy."""

    def start(self) -> None: ...

    def pause(self) -> None: ...


class Clock:
    """A stopwatch that counts only while running and synchronises the device before it reads.

    synchronize: called before every reading but a glance; `torch.cuda.synchronize` on a GPU,
    nothing on a CPU.
    meter: starts and pauses with the clock, itself uncounted, on a device without queued work.
    """

    def __init__(
        self,
        synchronize: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.perf_counter,
        meter: Meter | None = None,
        spent: float = 0.0,
    ) -> None:
        self._synchronize = synchronize
        self._now = now
        self._meter = meter
        self._spent = spent
        self._started: float | None = None

    @property
    def running(self) -> bool:
        return self._started is not None

    def start(self) -> None:
        """Start or resume; work queued on the device before this call is not counted."""
        if self._started is not None:
            raise RuntimeError("the clock is running already")
        self._synchronize()
        if self._meter:
            self._meter.start()
        self._started = self._now()

    def pause(self) -> None:
        """Stop counting; work queued on the device before this call is counted."""
        self._spent = self.read()
        if self._meter and self.running:
            self._meter.pause()
        self._started = None

    def read(self) -> float:
        """Return the counted seconds, all queued device work included."""
        if self._started is not None:
            self._synchronize()
        return self.glance()

    def glance(self) -> float:
        """Return the counted seconds without waiting for the device: right where nothing has been
        queued on it since the last reading."""
        return self._spent + (0.0 if self._started is None else self._now() - self._started)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause for the duration of a `with` block (evaluation, checkpointing, logging).

        A clock that was not running before is not running afterwards.
        """
        was_running = self.running
        self.pause()
        try:
            yield
        finally:
            if was_running:
                self.start()
