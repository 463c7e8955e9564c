"""What every training step saw, kept on the device until it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_COUNTS = ("rays", "samples")
_ROWS = 1024  # steps per block of memory


class _Block:
    """Room for the figures of many consecutive steps: float32 [_ROWS, names] on the device.

    A tensor of its own for every step would be some thousand small pieces between the large ones
    that training takes and gives back, which the allocator then cannot put together again: peak
    memory would grow with the number of steps.
    """

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names = names
        self.values = torch.empty(_ROWS, len(names), device=device)
        self.used = 0

    def takes(self, names: tuple[str, ...]) -> bool:
        return self.names == names and self.used < _ROWS

    def add(self, values: Tensor) -> Tensor:
        """Copy `values` [names]; return the copy."""
        self.used += 1
        return self.values[self.used - 1].copy_(values)


class StepLog:
    """A row per step, without waiting for the device while training."""

    def __init__(self) -> None:
        self._known: list[tuple[int, dict[str, int]]] = []  # iteration; counts that the host knows
        self._blocks: list[_Block] = []

    def add(
        self, iteration: int, rays: int, samples: int, loss: Tensor, figures: Mapping[str, Tensor]
    ) -> None:
        """Enter a step. loss, figures: 0-d, detached, on the device."""
        values = torch.stack([value.float() for value in (loss, *figures.values())])
        self._enter(iteration, {"rays": rays, "samples": samples}, ("loss", *figures), values)

    def add_values(self, iteration: int, names: Sequence[str], values: Tensor) -> Tensor:
        """Enter a step of which the host knows nothing. names: loss, rays, samples and the
        figures; values: float32 [names] on the device (a float holds every integer up to 2²⁴).

        Returns a copy that stays as it is until the steps are taken."""
        return self._enter(iteration, {}, tuple(names), values)

    def take(self) -> list[dict[str, Any]]:
        """Return the steps since the last call as rows: iteration (from 1), loss, rays, samples,
        and the figures by name. This reads the device, once per block."""
        known = iter(self._known)
        rows = [
            _row(*next(known), dict(zip(block.names, values, strict=True)))
            for block in self._blocks
            for values in block.values[: block.used].tolist()
        ]
        self._known = []
        self._blocks = self._blocks[-1:]  # the next steps go where the last ones were
        for block in self._blocks:
            block.used = 0
        return rows

    def _enter(
        self, iteration: int, counts: dict[str, int], names: tuple[str, ...], values: Tensor
    ) -> Tensor:
        if not self._blocks or not self._blocks[-1].takes(names):
            self._blocks.append(_Block(names, values.device))
        self._known.append((iteration, counts))
        return self._blocks[-1].add(values)


def _row(iteration: int, counts: Mapping[str, int], values: dict[str, float]) -> dict[str, Any]:
    loss = values.pop("loss")
    known = counts or {name: int(values.pop(name)) for name in _COUNTS}
    return {"iteration": iteration, "loss": loss, **known, **values}
