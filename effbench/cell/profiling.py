"""What the steps of a trained method are made of: `effbench run --profile`.

Further steps are measured, as late training does them, when all figures of the cell are final: by
part (`effbench.method.spans`), by torch's profiler, and from outside, by how busy the machine is.
Parts and trace are of eager steps: one recorded as a CUDA graph has no parts that could be told.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from effbench import files
from effbench.cell.task import Task
from effbench.machine import devices, nvml
from effbench.machine.breakdown import breakdown_on
from effbench.machine.utilisation import looked_at
from effbench.method import Method, spans
from effbench.records.layout import PROFILE, TRACE

STRETCH_S = 5.0  # of training, with somebody looking at the machine
_LATE = 0.999  # progress of the steps that are measured
_STEPS = 16  # at least, whole cycles of the method
_TRACED, _BEFORE = 5, 2  # steps in a trace; those that the profiler needs to get going
_STEP, _REST = "step", "rest"

Parts = dict[str, float]  # milliseconds by part


def profiled(task: Task, method: Method) -> dict[str, Any]:
    """Return the record's group `profile`, and write the trace and the table beside it.

    Changes the method. Whatever fails is left out, and `reason` says why.
    """
    if not method.trains:
        return {"reason": "nothing is trained: there is no step to profile"}
    if task.cell.ranks > 1:  # the others have ended
        return {"reason": "a step of several ranks is not profiled: use --ranks 1"}
    task.report("profile", 0.0, "")
    found: dict[str, Any] = {}
    reasons = []
    for what, measure in (("parts", _parts), ("trace", _trace), ("utilisation", _utilisation)):
        try:
            found |= measure(task, method)
        except Exception as error:  # the cell has its result
            traceback.print_exc()
            reasons.append(f"no {what}: {type(error).__name__}: {str(error).strip()}")
    return {**found, "reason": "; ".join(reasons) or None}


def _parts(task: Task, method: Method) -> dict[str, Any]:
    """Measure whole cycles of steps by part; write the table."""
    with devices.eager_steps():
        each = [_step_by_parts(task, method) for _ in range(_cycles(method.cycle))]
    parts = means(each)
    rest = parts.pop(_REST)
    total = rest + sum(parts.values())
    files.write_text(task.folder / PROFILE, table({**parts, _REST: rest}, total))
    return {"parts": parts, "rest_ms": rest, "step_ms": total, "steps": len(each)}


def _step_by_parts(task: Task, method: Method) -> Parts:
    breakdown = breakdown_on(task.device)
    with spans.watched(breakdown.part), breakdown.part(_REST):
        method.step(_LATE)
    return breakdown.milliseconds()


def _cycles(cycle: int) -> int:
    """Return how many steps are measured of a method that comes round after `cycle`."""
    return math.ceil(_STEPS / cycle) * cycle


def means(each: Sequence[Mapping[str, float]]) -> Parts:
    """Return the mean over steps of each part, 0 in steps that have it not, largest first."""
    names = dict.fromkeys(name for step in each for name in step)
    sums = {name: sum(step.get(name, 0.0) for step in each) / len(each) for name in names}
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def table(parts: Mapping[str, float], total: float) -> str:
    """Return parts as CSV: milliseconds per step, and their share of it."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["part", "ms", "share"])
    rows.writerows(
        [name, f"{ms:.4f}", f"{ms / max(total, 1e-9):.4f}"] for name, ms in parts.items()
    )
    return stream.getvalue()


def _trace(task: Task, method: Method) -> dict[str, Any]:
    """Trace a few steps, among them the one of a cycle that has most parts; write the trace."""
    activities = [ProfilerActivity.CPU]
    if task.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with devices.eager_steps(), spans.watched(record_function):
        for _ in range(_steps_before(_fullest(task, method), method.cycle)):
            method.step(_LATE)
        with profile(activities=activities):  # its start is slow, and nobody's business
            _steps(task, method, _BEFORE)
        with profile(activities=activities) as profiler:
            _steps(task, method, _TRACED)
    with tempfile.TemporaryDirectory(prefix="effbench-") as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        files.write_bytes(task.folder / TRACE, gzip.compress(path.read_bytes(), mtime=0))
    return {"trace": TRACE, "traced_steps": _TRACED}


def _steps(task: Task, method: Method, count: int) -> None:
    for _ in range(count):
        with record_function(_STEP):
            method.step(_LATE)
            task.synchronize()


def _fullest(task: Task, method: Method) -> int:
    """Do a cycle of steps; return the place of the first one that has most parts."""
    if method.cycle == 1:
        return 0
    counts = [len(_step_by_parts(task, method)) for _ in range(method.cycle)]
    return counts.index(max(counts))


def _steps_before(fullest: int, cycle: int) -> int:
    """Return how many steps to do first, at the beginning of a cycle, so that the step at place
    `fullest` of one is in the middle of those that are traced."""
    return (fullest - _BEFORE - _TRACED // 2) % cycle


def _utilisation(task: Task, method: Method) -> dict[str, Any]:
    """Train on for a while, as the loop of training does, and look at the machine meanwhile."""
    gpu, _ = nvml.find(task.device)
    steps = 0
    began = time.perf_counter()
    with looked_at(gpu) as found:
        while time.perf_counter() - began < STRETCH_S:
            method.step(_LATE)
            task.synchronize()
            steps += 1
    return {"utilisation": {**found.thinned(), "steps": steps}}
