"""What every training step saw, kept on the device until it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Step:
    iteration: int
    rays: int
    samples: int
    names: tuple[str, ...]
    values: Tensor  # float32, the loss and the figures: a copy, so that nothing larger stays alive


class StepLog:
    """A row per step, without waiting for the device while training."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []

    def add(
        self, iteration: int, rays: int, samples: int, loss: Tensor, figures: Mapping[str, Tensor]
    ) -> None:
        """Enter a step. loss, figures: 0-d, detached, on the device."""
        values = torch.stack([value.float() for value in (loss, *figures.values())])
        self._steps.append(_Step(iteration, rays, samples, tuple(figures), values))

    def take(self) -> list[dict[str, Any]]:
        """Return the steps since the last call as rows: iteration (from 1), loss, rays, samples,
        and the figures by name. This reads the device."""
        steps, self._steps = self._steps, []
        if not steps:
            return []
        flat = iter(torch.cat([step.values for step in steps]).tolist())  # one transfer for all
        return [
            {
                "iteration": step.iteration,
                "loss": next(flat),
                "rays": step.rays,
                "samples": step.samples,
                **{name: next(flat) for name in step.names},
            }
            for step in steps
        ]
