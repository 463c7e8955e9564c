"""Training of a cell under its budget: curve, tables, energy and peak memory beside the loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from effbench.cell import resume
from effbench.cell.clock import Clock
from effbench.cell.csv_log import GrowingTables
from effbench.cell.curve import Curve
from effbench.cell.device_timer import DeviceTimer
from effbench.cell.evaluation import mean_psnr
from effbench.cell.loop import Point, TrainLog, point_fractions, train
from effbench.cell.task import Task
from effbench.errors import EffbenchError
from effbench.machine import phases
from effbench.machine.contention import Contention
from effbench.machine.probe import probe
from effbench.method import Method
from effbench.method.budget import Budget
from effbench.records.layout import CURVE, RESUME, TABLES
from effbench.scene.cameras import evenly_spaced

_PROBE_EVERY_S = 10.0  # of training


def train_cell(task: Task, method: Method) -> None:
    """Train a method, from where an interrupted run of its cell left it.

    Measures step times, energy and peak memory, and writes the curve and tables. Raises Diverged or
    whatever the method raises.
    """
    budget = Budget.parse(task.cell.budget)
    log = _resumed(task, method)
    spent = log.train_s if log else 0.0
    kept = budget.progress(spent, log.iterations) if log else None
    samples: list[float] = []
    seen = _Throughput()
    on_point = _observer(task, method, kept, samples, seen)
    task.report("train", 0.0, "")
    task.memory.begin("warmup")  # until the first point of the curve
    made_by = dict(task.measured.identity)
    keep = functools.partial(resume.write, task.folder / RESUME, made_by=made_by)
    clock = Clock(task.synchronize, meter=task.meter, spent=spent)
    contention = Contention()
    with phases.observed(task.memory.within):
        points = point_fractions(budget)
        log = train(
            *(method, budget, clock, on_point, points),
            keep=keep,
            log=log,
            announce=task.announce,
            timer=DeviceTimer.of(task.device),
        )
    task.measured.machine |= contention.read()
    task.memory.end()
    if samples and not any(samples):
        raise EffbenchError(
            "no step that was looked at placed a sample on a ray, so that nothing was learnt: the "
            "scene's box, near and far may miss what its cameras see"
        )
    task.measured.energy = task.meter.energy()
    if spent:
        reason = f"the first {spent:.1f} s were trained before an interruption"
        task.measured.energy = {"energy_j": None, "reason": reason}
        task.notes["resumed_after_s"] = [spent]
    task.measured.time |= _step_times(log)
    task.notes |= seen.per_second(log.train_s - spent)
    if log.step_s:
        task.measured.machine["longest_step_ms"] = max(log.step_s) * 1e3
    if method.trains:
        peaks = task.memory.phases
        training = (peaks[name] for name in ("warmup", "steady", "grid") if name in peaks)
        task.measured.memory["peak_mem_mb"] = max(training)


def _resumed(task: Task, method: Method) -> TrainLog | None:
    """Let a method go on from what an interrupted run left; return the log of that, if any."""
    interrupted = resume.read(task.folder / RESUME, task.measured.identity)
    if interrupted is None:
        return None
    snapshot, log = interrupted
    method.resume(snapshot)
    return log


def _observer(
    task: Task, method: Method, kept: float | None, samples: list[float], seen: _Throughput
) -> Callable[[Point], None]:
    """Return what is done at each point of the curve, the clock paused: a look at a few test views
    and at the method's own figures, written down. kept: as `Curve` takes it; samples: filled with
    how many samples the steps before the points placed, of a method that counts them; seen: told
    of every step's."""
    scene = method.context.scene
    views = evenly_spaced(len(scene.test), task.cell.curve_views)
    curve = Curve(task.folder / CURVE, kept)
    tables = GrowingTables(task.folder / TABLES, kept)
    between = _ProbesBetween(task)

    def on_point(point: Point) -> None:
        task.memory.begin("render")  # evaluation must not count as memory of training
        psnr = mean_psnr(method, scene, views)
        task.memory.begin("diagnostics")
        figures = method.diagnostics()
        if "samples" in figures:
            samples.append(figures["samples"])
        curve.add(point, psnr, figures)
        rows = method.tables()
        seen.add(rows.get("steps", ()))
        tables.add(point.fraction, rows)
        task.report("train", point.fraction, f"{psnr:.2f} dB" if views else "")
        between(point)
        task.memory.begin("steady")

    return on_point


class _ProbesBetween:
    """Looks at the machine's speed between parts of training, where other cells share its memory.

    Half a second each, the clock paused, and at most every ten seconds of training.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._next_s = task, 0.0

    def __call__(self, point: Point) -> None:
        if point.train_s < self._next_s or not self._task.neighbours():
            return
        self._next_s = point.train_s + _PROBE_EVERY_S
        found = self._task.measured.machine.setdefault("between", [])
        found.append({"train_s": round(point.train_s, 3), **probe(self._task.device)})


class _Throughput:
    """Adds up the rays and samples of all steps, of methods whose table `steps` has them."""

    def __init__(self) -> None:
        self._sums = {"rays": 0, "samples": 0}

    def add(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Count steps, rows of the table."""
        for name in self._sums:
            self._sums[name] += sum(step.get(name, 0) for step in steps)

    def per_second(self, seconds: float) -> dict[str, float]:
        """Return facts: what a second of training went through; none for a method without."""
        found = {f"{name}_per_s": total / seconds for name, total in self._sums.items() if total}
        return found if seconds > 0 else {}


def _step_times(log: TrainLog) -> dict[str, Any]:
    times: dict[str, Any] = {"train_s": log.train_s, "iterations": log.iterations}
    if not log.step_s:  # there was nothing to train
        return times
    steps_ms = np.asarray(log.step_s) * 1e3
    if log.device_s:
        times["iter_device_ms"] = float(np.median(log.device_s)) * 1e3
    return times | {
        "iter_ms": float(np.median(steps_ms)),
        "iter_ms_mean": log.train_s / log.iterations * 1e3,
        "iter_ms_p95": float(np.percentile(steps_ms, 95)),
        "overshoot_s": log.overshoot_s,
        "overhead_s": log.overhead_s,
    }
