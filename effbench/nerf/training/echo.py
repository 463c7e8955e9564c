"""Telling the host about counts on the device without making it wait."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor


class Echo:
    """Integers that steps leave on the device, read on the host when a later step begins.

    `read` gives what was sent one sending earlier than the last: by then the device has it ready,
    or the host is two steps ahead and may wait. So what the host sees, and decides, does not depend
    on how fast either of them is. (That runs of a seed are the same takes more, which CUDA does not
    give: docs/gpu.md.)
    """

    def __init__(self, first: list[int], device: torch.device) -> None:
        self._last = first
        self._cuda = device.type == "cuda"
        self._sent: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()
        self._spare: list[Tensor] = []

    def send(self, values: Tensor) -> None:
        """Send `values` (int64 [K] on the device) as they are at this point of its stream."""
        if not self._cuda:
            self._sent.append((values.clone(), None))
            return
        buffer = self._spare.pop() if self._spare else torch.empty_like(values, device="cpu")
        buffer = buffer if buffer.is_pinned() else buffer.pin_memory()
        buffer.copy_(values, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._sent.append((buffer, event))

    def read(self) -> list[int]:
        """Return the values but one sent last."""
        while len(self._sent) > 1:
            buffer, event = self._sent.popleft()
            self._last = _arrived(buffer, event)
            self._spare.append(buffer)
        return self._last

    def latest(self) -> list[int]:
        """Return the values sent last, which may mean to wait; `read` goes on as if not asked."""
        return _arrived(*self._sent[-1]) if self._sent else self._last


def _arrived(buffer: Tensor, event: torch.cuda.Event | None) -> list[int]:
    if event:
        event.synchronize()
    values: list[int] = buffer.tolist()
    return values
