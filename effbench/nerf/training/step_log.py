"""What every training step saw, kept on the device until it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_COUNTS = ("rays", "samples")


@dataclass(frozen=True)
class _Step:
    iteration: int
    counts: Mapping[str, int]  # what the host knows
    names: tuple[str, ...]
    values: Tensor  # float32, by name: a copy, so that nothing larger stays alive


class StepLog:
    """A row per step, without waiting for the device while training."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []

    def add(
        self, iteration: int, rays: int, samples: int, loss: Tensor, figures: Mapping[str, Tensor]
    ) -> None:
        """Enter a step. loss, figures: 0-d, detached, on the device."""
        values = torch.stack([value.float() for value in (loss, *figures.values())])
        counts = {"rays": rays, "samples": samples}
        self._steps.append(_Step(iteration, counts, ("loss", *figures), values))

    def add_values(self, iteration: int, names: Sequence[str], values: Tensor) -> None:
        """Enter a step of which the host knows nothing. names: loss, rays, samples and the
        figures; values: float32 [names] on the device, nobody else's (a float holds every integer
        up to 2²⁴)."""
        self._steps.append(_Step(iteration, {}, tuple(names), values))

    def take(self) -> list[dict[str, Any]]:
        """Return the steps since the last call as rows: iteration (from 1), loss, rays, samples,
        and the figures by name. This reads the device."""
        steps, self._steps = self._steps, []
        if not steps:
            return []
        flat = iter(torch.cat([step.values for step in steps]).tolist())  # one transfer for all
        return [_row(step, {name: next(flat) for name in step.names}) for step in steps]


def _row(step: _Step, values: dict[str, Any]) -> dict[str, Any]:
    loss = values.pop("loss")
    counts = step.counts or {name: int(values.pop(name)) for name in _COUNTS}
    return {"iteration": step.iteration, "loss": loss, **counts, **values}
