"""How long a CUDA device takes for a step, by its own clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from effbench.machine import breakdown


class DeviceTimer:
    """Events before and behind the work of one step at a time.

    What the host needs to launch a step counts only where the device waits for it; what it does
    before the first launch and behind the last does not.
    """

    def __init__(self) -> None:
        self._begin, self._end = breakdown.event(), breakdown.event()

    @classmethod
    def of(cls, device: torch.device) -> DeviceTimer | None:
        """Return a timer for a device that has events; None for a CPU."""
        return cls() if device.type == "cuda" else None

    @contextmanager
    def step(self) -> Iterator[None]:
        """Take in what is queued on the current stream meanwhile."""
        self._begin.record()
        yield
        self._end.record()

    def seconds(self) -> float:
        """Return how long the last step took; all of it must be done."""
        milliseconds: float = self._begin.elapsed_time(self._end)
        return 1e-3 * milliseconds
