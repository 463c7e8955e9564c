"""What further steps of a trained method keep for their backward pass."""

from __future__ import annotations

import math
import statistics

import torch

from effbench.cell.memory import saved_bytes
from effbench.cell.task import Task
from effbench.machine import devices
from effbench.method import Method

_LATE = 0.999  # progress of the steps whose memory is measured: as late training does them
_STEPS = 16  # at least: batches differ, and grids and schedules come round in so many


def measure_step(task: Task, method: Method) -> None:
    """Measure what further steps keep for backward, as mean and maximum over a whole cycle of the
    method; last, since it changes the method."""
    steps = math.ceil(_STEPS / method.cycle) * method.cycle
    with devices.eager_steps():
        if task.device.type == "cuda":
            _cover_recorded(task, method)
        saved = [saved_bytes(lambda: _step(task, method)) / 1e6 for _ in range(steps)]
    task.measured.memory |= {
        "saved_mb": statistics.fmean(saved),
        "saved_max_mb": max(saved),
        "saved_steps": steps,
    }


def _step(task: Task, method: Method) -> torch.Tensor:
    task.announce(_LATE)
    return method.step(_LATE)


def _cover_recorded(task: Task, method: Method) -> None:
    """Let training's peak cover what a recorded step needs: the allocator counts only what is
    allocated while it is asked, and a recording brings its memory along."""
    task.memory.begin("step")
    _step(task, method)
    task.memory.end()
    phases, memory = task.memory.phases, task.measured.memory
    phases["steady"] = max(phases["steady"], phases["step"])
    memory["peak_mem_mb"] = max(memory["peak_mem_mb"], phases["step"])
