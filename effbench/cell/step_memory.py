"""What one more step of a trained method keeps for its backward pass."""

from __future__ import annotations

from effbench.cell.memory import saved_bytes
from effbench.cell.task import Task
from effbench.machine import devices
from effbench.method import Method

_LATE = 0.999  # progress of the extra step whose memory is measured: as late training does it


def measure_step(task: Task, method: Method) -> None:
    """Measure what one more step keeps for backward; last, since it changes the method."""
    with devices.eager_steps():
        if task.device.type == "cuda":
            _cover_recorded(task, method)
        saved = saved_bytes(lambda: method.step(_LATE))
    task.measured.memory["saved_mb"] = saved / 1e6


def _cover_recorded(task: Task, method: Method) -> None:
    """Let training's peak cover what a recorded step needs: the allocator counts only what is
    allocated while it is asked, and a recording brings its memory along."""
    task.memory.begin("step")
    method.step(_LATE)
    task.memory.end()
    phases, memory = task.memory.phases, task.measured.memory
    phases["steady"] = max(phases["steady"], phases["step"])
    memory["peak_mem_mb"] = max(memory["peak_mem_mb"], phases["step"])
