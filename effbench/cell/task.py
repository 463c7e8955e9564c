"""What the steps of one cell share: set-up, training, shipping, evaluation, step memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from effbench.cell.memory import PeakMemory
from effbench.cell.reporting import Report
from effbench.machine import devices
from effbench.machine.energy import EnergyMeter
from effbench.planning.plan import Cell
from effbench.records.layout import cell_folder


@dataclass
class Measured:
    """The groups of a record as they become known; a cell that fails keeps what it has."""

    scene: dict[str, Any]
    quality: dict[str, Any] = field(default_factory=dict)
    time: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    size: dict[str, Any] = field(default_factory=dict)
    energy: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class Task:
    """A cell in work. measured: filled as its steps succeed; memory: peaks by phase."""

    def __init__(
        self, cell: Cell, out: Path, measured: Measured, meter: EnergyMeter, report: Report
    ) -> None:
        self.cell = cell
        self.out = out
        self.folder = cell_folder(out, cell.cell_id)
        self.measured = measured
        self.meter = meter
        self.report = report
        self.device = torch.device(cell.device)
        self.synchronize: Callable[[], None] = devices.synchronizer(self.device)
        self.memory = PeakMemory(self.device)
        self.notes: dict[str, Any] = {}  # facts of the cell beside the method's own
        # lets the cell's other ranks, if it has any, do the step that this one is about to do
        self.announce: Callable[[float], None] = lambda _: None
        # how many cells are at work beside this one on the machine (None: nobody can tell)
        self.neighbours: Callable[[], int | None] = lambda: None
