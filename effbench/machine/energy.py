"""Energy of training: the GPU's own counter, read whenever the training clock starts and pauses."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from effbench.machine import nvml
from effbench.machine.nvml import Gpu

if TYPE_CHECKING:
    import torch


class EnergyMeter:
    """Adds up the joules between start and pause, as a `Clock` counts the seconds.

    The counter belongs to the whole GPU: idle power is included, and so is whatever else runs on
    it. Drivers refresh it some ten times a second, so a part much shorter than that is lost or
    counted to its neighbour. A GPU that cannot tell leaves no figure and `reason` says why.
    """

    def __init__(self, gpu: Gpu | None, reason: str = "") -> None:
        self._gpu, self.reason = gpu, reason
        self._joules = 0.0
        self._from: float | None = None
        self._loads: list[dict[str, Any]] = []

    @classmethod
    def of(cls, device: torch.device) -> EnergyMeter:
        """Return the meter of a device; on a CPU it has no figure."""
        return cls(*nvml.find(device))

    def start(self) -> None:
        """Begin to count; the device must be idle."""
        self._from = self._read()

    def pause(self) -> None:
        """Stop counting; the device must have finished its work."""
        now = self._read()
        if now is not None and self._from is not None:
            self._joules += now - self._from
            assert self._gpu is not None
            self._loads.append(self._gpu.load())
        self._from = None

    def energy(self) -> dict[str, Any]:
        """Return the record's group: `energy_j`, or None and the `reason`."""
        joules = None if self._gpu is None else self._joules
        return {"energy_j": joules, "reason": self.reason}

    def load(self) -> dict[str, Any] | None:
        """Return the medians of clocks, power and temperature over the pauses, None for none."""
        if not self._loads:
            return None
        columns = {name: [load[name] for load in self._loads] for name in self._loads[0]}
        return {
            name: None if None in values else statistics.median(values)
            for name, values in columns.items()
        }

    def _read(self) -> float | None:
        """Return the counter. One that fails once is given up: part of a sum is no sum."""
        value = self._gpu.energy_j() if self._gpu else None
        if self._gpu and value is None:
            self._gpu, self.reason = None, "this GPU or its driver has no energy counter"
        return value
