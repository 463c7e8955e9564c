"""Training time: a pausable, device-synchronised stopwatch, and budgets of seconds or steps."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from effbench.errors import ConfigError

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """How long a cell trains: wall-clock seconds or iterations, exactly one of them."""

    seconds: float | None = None
    iterations: int | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.seconds, self.iterations) if v is not None]
        if len(given) != 1 or not (math.isfinite(given[0]) and given[0] > 0):
            raise ConfigError("a budget is a positive number of seconds or of iterations")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `30s`, `5m`, `1.5h` or `500it`. Raises ConfigError on anything else."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
        if match and match[2] in _UNITS:
            return cls(seconds=float(match[1]) * _UNITS[match[2]])
        if match and match[2] in ("it", "its", "iterations") and float(match[1]).is_integer():
            return cls(iterations=int(float(match[1])))
        raise ConfigError(f"cannot read budget '{text}': write 30s, 5m, 1h or 500it")

    def progress(self, seconds: float, iterations: int) -> float:
        """Return the spent fraction, ≥ 0; the budget is exhausted at 1."""
        if self.seconds is not None:
            return seconds / self.seconds
        assert self.iterations is not None
        return iterations / self.iterations

    def __str__(self) -> str:
        """Return the budget as `parse` reads it, seconds to the microsecond."""
        if self.seconds is not None:
            return f"{self.seconds:.6f}".rstrip("0").rstrip(".") + "s"
        return f"{self.iterations}it"


class Meter(Protocol):
    """Something else to be counted while a clock runs, such as energy."""

    def start(self) -> None: ...

    def pause(self) -> None: ...


class Clock:
    """A stopwatch that counts only while running and synchronises the device before it reads.

    synchronize: called before every reading; `torch.cuda.synchronize` on a GPU, nothing on a CPU.
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
        if self._started is None:
            return self._spent
        self._synchronize()
        return self._spent + (self._now() - self._started)

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
