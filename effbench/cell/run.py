"""One cell, measured in this process: set up, trained under its budget, saved, evaluated."""

from __future__ import annotations

import functools
import gc
import json
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

import effbench
from effbench import files
from effbench.cell import evaluation as evaluate
from effbench.cell import measure, resume
from effbench.cell.clock import Clock
from effbench.cell.csv_log import GrowingTables
from effbench.cell.curve import Curve
from effbench.cell.facts import identity, scene_facts
from effbench.cell.loop import Point, TrainLog, point_fractions, train
from effbench.errors import Diverged, EffbenchError
from effbench.export.cell import ON_DEMAND, measure_export
from effbench.machine import device_lock, devices
from effbench.machine import provenance as machine
from effbench.machine.energy import EnergyMeter
from effbench.method import Checkpoint, Context, Method, config
from effbench.method.budget import Budget
from effbench.planning.plan import Cell, scene_key
from effbench.records import record
from effbench.records.layout import (
    CURVE,
    MODEL,
    ONNX,
    RECORD,
    RENDERS,
    RESUME,
    TABLES,
    cell_folder,
    truth_folder,
)
from effbench.records.record import Record, Status
from effbench.scene import Intrinsics, Scene
from effbench.scene.cameras import evenly_spaced

_WARM_UP_STEPS = 4
_WARM_UP_PIXELS = 16  # side of the image that warm-up renders
_LATE = 0.999  # progress of the extra step whose memory is measured: as late training does it

Report = Callable[[str, float, str], None]  # phase, its spent fraction in [0, 1], a note


def silent(phase: str, fraction: float, note: str) -> None:
    """Report nothing."""


@dataclass
class _Measured:
    """The groups of a record as they become known; a cell that fails keeps what it has."""

    scene: dict[str, Any]
    quality: dict[str, Any] = field(default_factory=dict)
    time: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    size: dict[str, Any] = field(default_factory=dict)
    energy: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def run_cell(
    cell: Cell,
    out: Path,
    method: Callable[[], type[Method]],
    scene: Callable[[], Scene],
    command: Sequence[str] = (),
    report: Report = silent,
    classes: Callable[[str], type[Method]] | None = None,
) -> Record:
    """Run a cell and write its files below `out`; whatever goes wrong becomes its record.

    method, scene: give the class and the loaded scene, inside the cell, since loading may fail;
    classes: gives a parent's class by its name, for children that restore a parent.
    The record is written last: a cell without one was interrupted.
    """
    began = time.perf_counter()
    device = torch.device(cell.device)
    provenance = machine.provenance(device, command)
    measured = _Measured(scene_facts(cell))
    meter = EnergyMeter.of(device)
    status: Status = "ok"
    reason = ""
    try:
        with device_lock.held(device, lambda: report("wait", 0.0, "")) as alone:
            provenance["alone"] = alone
            began = time.perf_counter()
            with devices.subnormals_flushed():
                _Run(cell, out, measured, meter, report, classes).measure(method(), scene())
    except Exception as error:  # a failed cell is a result; the others go on
        traceback.print_exc()
        status, reason = diagnose(error)
    (cell_folder(out, cell.cell_id) / RESUME).unlink(missing_ok=True)
    measured.time["total_s"] = time.perf_counter() - began
    provenance["gpu_load"] = meter.load()
    result = Record(
        **identity(cell),
        status=status,
        reason=reason,
        **vars(measured),
        device=machine.device_name(device),
        provenance=provenance,
    )
    record.write(cell_folder(out, cell.cell_id) / RECORD, result)
    return result


def diagnose(error: Exception) -> tuple[Status, str]:
    """Return the status and reason that an exception gives its cell."""
    text = str(error).strip() or "no message"
    if isinstance(error, Diverged):
        return "diverged", text
    # torch's CPU allocator raises a plain RuntimeError
    exhausted = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in text
    if exhausted or isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "oom", f"out of memory: {text.splitlines()[0]}"
    if isinstance(error, EffbenchError):
        return "failed", text
    return "failed", f"{type(error).__name__}: {text}"


class _Run:
    """The steps of one cell; `measured` is filled as they succeed."""

    def __init__(
        self,
        cell: Cell,
        out: Path,
        measured: _Measured,
        meter: EnergyMeter,
        report: Report,
        classes: Callable[[str], type[Method]] | None,
    ) -> None:
        self.cell = cell
        self.classes = classes
        self.out = out
        self.folder = cell_folder(out, cell.cell_id)
        self.measured = measured
        self.meter = meter
        self.report = report
        self.device = torch.device(cell.device)
        self.synchronize = devices.synchronizer(self.device)
        self.memory = measure.PeakMemory(self.device)
        self.resumed_s: list[float] = []  # how long it had trained when it went on

    def measure(self, cls: type[Method], scene: Scene) -> None:
        """Measure everything there is to a cell. Raises whatever the method raises."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # for kernels that run on the current one
        self.measured.scene = scene_facts(self.cell, scene)
        cls = cls.specialised(self.cell.params)
        self.measured.memory["phases"] = self.memory.phases
        parents, prepared = load_parents(self.cell, self.out, self.classes)
        budget = Budget.parse(self.cell.budget)
        context = Context(scene, self.device, self.cell.seed, self.cell.backend, parents, budget)
        settings = config.build(cls.Config, self.cell.params, cls.name)
        self._prepare(lambda: cls.prepare(settings, context), prepared)
        method = self._set_up(lambda: cls(settings, context))
        self._train(method)
        self._save(method)
        self._evaluate(method)
        self._export(method)
        if method.trains:
            self._measure_step(method)
        self.measured.facts = json.loads(json.dumps(method.facts()))  # TypeError if not JSON
        if self.resumed_s:
            self.measured.facts["resumed_after_s"] = self.resumed_s

    def _prepare(self, make: Callable[[], Mapping[str, float]], prepared: dict[str, float]) -> None:
        """Prepare what training needs; `prepared` is what the parents took, by name."""
        self.report("prepare", 0.0, "")
        prepared |= make()
        self.measured.time |= {"prepared": prepared, "prepare_s": sum(prepared.values())}

    def _set_up(self, build: Callable[[], Method]) -> Method:
        """Compile and warm up on a throw-away copy, then build the method that is trained.

        What does not train is the same after warming up, and built once.
        """
        self.report("setup", 0.0, "")
        self.memory.begin("setup")
        clock = Clock(self.synchronize)
        clock.start()
        seed_everything(self.cell.seed)
        method = build()
        _warm_up(method)
        if method.trains:
            del method
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            seed_everything(self.cell.seed)
            method = build()
        clock.pause()
        self.measured.time["setup_s"] = clock.read()
        return method

    def _train(self, method: Method) -> None:
        scene = method.context.scene
        views = evenly_spaced(len(scene.test), self.cell.curve_views)
        budget = Budget.parse(self.cell.budget)
        interrupted = resume.read(self.folder / RESUME)
        log, kept = None, None
        if interrupted is not None:
            snapshot, log = interrupted
            method.resume(snapshot)
            kept = budget.progress(log.train_s, log.iterations)
            self.resumed_s.append(log.train_s)
        spent = log.train_s if log else 0.0
        curve = Curve(self.folder / CURVE, kept)
        tables = GrowingTables(self.folder / TABLES, kept)

        def on_point(point: Point) -> None:
            self.memory.begin("render")  # evaluation must not count as memory of training
            psnr = evaluate.mean_psnr(method, scene, views)
            self.memory.begin("diagnostics")
            curve.add(point, psnr, method.diagnostics())
            tables.add(point.fraction, method.tables())
            self.report("train", point.fraction, f"{psnr:.2f} dB" if views else "")
            self.memory.begin("steady")

        self.report("train", 0.0, "")
        self.memory.begin("warmup")  # until the first point of the curve
        keep = functools.partial(resume.write, self.folder / RESUME)
        clock = Clock(self.synchronize, meter=self.meter, spent=spent)
        fractions = point_fractions(budget)
        log = train(method, budget, clock, on_point, fractions, keep=keep, log=log)
        self.memory.end()
        self.measured.energy = self.meter.energy()
        if spent:
            reason = f"the first {spent:.1f} s were trained before an interruption"
            self.measured.energy = {"energy_j": None, "reason": reason}
        self.measured.time |= _step_times(log)
        phases = self.memory.phases
        if method.trains:
            self.measured.memory["peak_mem_mb"] = max(phases["warmup"], phases["steady"])

    def _save(self, method: Method) -> None:
        """Write what a user would ship, and its sizes."""
        # Views of one buffer are made tensors of their own: safetensors refuses shared memory.
        state = {
            key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for key, tensor in method.state().items()
        }
        metadata = {
            "effbench": effbench.__version__,
            "method": self.cell.method,
            "params": json.dumps(dict(self.cell.params)),
            "scene": self.cell.scene.name,
        }
        path = self.folder / MODEL
        files.write_bytes(path, safetensors.torch.save(state, metadata))
        size, compressed = measure.file_size(path)
        parameters, nonzero = measure.count_parameters(method.parameters())
        self.measured.size = {
            "params": parameters,
            "nonzero": nonzero,
            "model_mb": size / 1e6,
            "model_zst_mb": compressed / 1e6,
            "model_bytes": size,
            "model_zst_bytes": compressed,
        }

    def _evaluate(self, method: Method) -> None:
        scene = method.context.scene
        views = evenly_spaced(len(scene.test), self.cell.eval_views)
        began = time.perf_counter()
        self.memory.begin("render")
        evaluation = evaluate.evaluate(
            method,
            scene,
            views,
            renders=self.folder / RENDERS,
            truths=truth_folder(self.out, scene_key(self.cell.scene)),
            on_view=lambda done: self.report("evaluate", done / len(views), ""),
        )
        self.memory.end()
        render_s = float(np.median(evaluation.render_s))
        self.measured.quality = evaluation.quality
        self.measured.time |= {
            "render_ms": render_s * 1e3,
            "fps": 1 / render_s if render_s else None,
            "eval_s": time.perf_counter() - began,
        }

    def _export(self, method: Method) -> None:
        """Export what is made to be shipped as ONNX, and measure a fresh process that runs it."""
        if not method.exported_with_cell:
            self.measured.export = {"reason": ON_DEMAND}
            return
        self.report("export", 0.0, "")
        self.measured.export = measure_export(method, self.folder / ONNX)

    def _measure_step(self, method: Method) -> None:
        """Measure what one more step keeps for backward; last, since it changes the method."""
        with devices.eager_steps():
            if self.device.type == "cuda":
                self._measure_recorded_memory(method)
            saved = measure.saved_bytes(lambda: method.step(_LATE))
        self.measured.memory["saved_mb"] = saved / 1e6

    def _measure_recorded_memory(self, method: Method) -> None:
        """Let training's peak cover what a recorded step needs: the allocator counts only what is
        allocated while it is asked, and a recording brings its memory along."""
        self.memory.begin("step")
        method.step(_LATE)
        self.memory.end()
        phases, memory = self.memory.phases, self.measured.memory
        phases["steady"] = max(phases["steady"], phases["step"])
        memory["peak_mem_mb"] = max(memory["peak_mem_mb"], phases["step"])


def load_parents(
    cell: Cell | Record, out: Path, classes: Callable[[str], type[Method]] | None = None
) -> tuple[dict[str, Checkpoint], dict[str, float]]:
    """Return the checkpoints of a cell's parents by role, and the seconds spent on making them by
    cell, the parents' parents and what was prepared for them included.

    Raises RecordError or EffbenchError if a parent has not left its result below `out`.
    """
    checkpoints = {}
    prepared: dict[str, float] = {}
    for role, cell_id in cell.parents.items():
        folder = cell_folder(out, cell_id)
        parent = record.read(folder / RECORD)
        if parent.status != "ok":
            raise EffbenchError(f"parent {cell_id} is {parent.status}: {parent.reason}")
        state = safetensors.torch.load_file(folder / MODEL)
        cls = classes(parent.method) if classes else None
        theirs, _ = load_parents(parent, out, classes)
        checkpoints[role] = Checkpoint(parent.method, parent.params, state, folder, cls, theirs)
        prepared |= parent.time.get("prepared") or {}
        prepared[cell_id] = sum(parent.time[key] or 0.0 for key in ("setup_s", "train_s"))
    return checkpoints, prepared


def seed_everything(seed: int) -> None:
    """Seed the global generators too, for methods that use libraries which draw from them."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _warm_up(method: Method) -> None:
    """Train a few steps and render a tiny image, so that everything is compiled and loaded.

    What does not train may be made for one image size: it renders a view of that.
    """
    scene = method.context.scene
    pose = torch.from_numpy(scene.train.poses[0]).to(method.context.device)
    if not method.trains:
        with torch.no_grad():
            method.render(pose, scene.test.intrinsics)
        return
    for _ in range(_WARM_UP_STEPS):
        method.step(0.0)
    side = _WARM_UP_PIXELS
    scale = side / scene.train.intrinsics.width
    focal = scene.train.intrinsics.fx * scale
    with torch.no_grad():
        method.render(pose, Intrinsics(side, side, focal, focal, side / 2, side / 2))


def _step_times(log: TrainLog) -> dict[str, Any]:
    times: dict[str, Any] = {"train_s": log.train_s, "iterations": log.iterations}
    if not log.step_s:  # there was nothing to train
        return times
    steps_ms = np.asarray(log.step_s) * 1e3
    return times | {
        "iter_ms": float(np.median(steps_ms)),
        "iter_ms_p95": float(np.percentile(steps_ms, 95)),
        "overshoot_s": log.overshoot_s,
        "overhead_s": log.overhead_s,
    }
