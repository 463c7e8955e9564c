"""One cell, measured in this process: set up, trained under its budget, saved, evaluated."""

from __future__ import annotations

import functools
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from effbench.cell.build import built
from effbench.cell.evaluation import evaluate_cell
from effbench.cell.facts import asked, scene_facts
from effbench.cell.followers import Followers
from effbench.cell.identity import now as found_now
from effbench.cell.leading import end, leading
from effbench.cell.maps import save_maps
from effbench.cell.parents import load_parents
from effbench.cell.profiling import profiled
from effbench.cell.reporting import Report, silent
from effbench.cell.set_up import set_up
from effbench.cell.shipping import export, save
from effbench.cell.step_memory import measure_step
from effbench.cell.task import Measured, Task
from effbench.cell.training import train_cell
from effbench.errors import Diverged, EffbenchError
from effbench.machine import device_lock, devices
from effbench.machine import provenance as machine
from effbench.machine.device_lock import Presence, Unseen
from effbench.machine.energy import EnergyMeter
from effbench.machine.placement import rank_device
from effbench.machine.probe import probe, speed
from effbench.method import Method
from effbench.planning.plan import Cell
from effbench.records import record
from effbench.records.layout import RECORD, RESUME, cell_folder
from effbench.records.record import Record, Status
from effbench.scene import Scene
from effbench.scene.cameras import check_sight


def run_cell(
    cell: Cell,
    out: Path,
    method: Callable[[], type[Method]],
    scene: Callable[[], Scene],
    command: Sequence[str] = (),
    report: Report = silent,
    classes: Callable[[str], type[Method]] | None = None,
    sources: Mapping[str, str] | None = None,
    profile: bool = False,
    follower: Sequence[str] = (),
) -> Record:
    """Run a cell and write its files below `out`; whatever goes wrong becomes its record.

    method, scene: give the class and the loaded scene, inside the cell, since loading may fail;
    classes: gives a parent's class by its name, for children that restore a parent; sources: hashes
    of the code (`planning.sources.of`); profile: say what further steps are made of; follower: the
    command of a process that is another rank of the cell (`effbench.cell.leading`), for a cell of
    several.
    The record is written last: a cell without one was interrupted. Where a profile follows, it is
    written before and after, so that nothing that happens in between costs a result.
    """
    began = time.perf_counter()
    device = torch.device(cell.device)
    provenance = machine.provenance(device, command)
    measured = Measured(scene_facts(cell), identity=found_now(cell, sources or {}, None, out))
    meter = EnergyMeter.of(device)
    status: Status = "ok"
    reason = ""

    def write(status: Status, reason: str) -> Record:
        measured.time.setdefault("total_s", time.perf_counter() - began)
        about = {**provenance, "gpu_load": meter.load()}
        folder = cell_folder(out, cell.cell_id)
        (folder / RESUME).unlink(missing_ok=True)
        result = Record(
            **asked(cell),
            status=status,
            reason=reason,
            **vars(measured),
            device=machine.device_name(device),
            provenance=about,
        )
        record.write(folder / RECORD, result)
        return result

    def give_up(reason: str) -> None:
        """End this process, which waits for a rank that is dead and cannot be interrupted."""
        write("failed", reason)
        os._exit(1)

    try:
        with _held(cell, lambda: report("wait", 0.0, "")) as places:
            began = time.perf_counter()
            try:
                task = Task(cell, out, measured, meter, report)
                task.neighbours = places.neighbours
                with devices.subnormals_flushed(), _probed(measured.machine, device):
                    others = functools.partial(leading, task, follower, give_up)
                    trained = _measure(task, method(), scene(), classes, others)
            finally:
                provenance["alone"] = places.alone()
                measured.machine["neighbours"] = places.neighbours()
            if profile:
                write(status, reason)
                with devices.subnormals_flushed():
                    measured.profile = profiled(task, trained)
    except Exception as error:  # a failed cell is a result; the others go on
        traceback.print_exc()
        status, reason = diagnose(error)
    return write(status, reason)


@dataclass(frozen=True)
class _Places:
    """A cell's places on its devices, as `device_lock` gives each."""

    each: Sequence[Presence | Unseen]

    def alone(self) -> bool | None:
        answers = [place.alone() for place in self.each]
        return None if None in answers else all(answers)

    def neighbours(self) -> int | None:
        answers = [place.neighbours() for place in self.each]
        known = [answer for answer in answers if answer is not None]
        # the places of a cell of several devices are beside each other
        return max(0, max(known) - (len(self.each) - 1)) if len(known) == len(answers) else None


@contextmanager
def _held(cell: Cell, on_wait: Callable[[], None]) -> Iterator[_Places]:
    """Hold the devices of a cell's ranks as `device_lock.held` holds one, always in this order."""
    names = dict.fromkeys(rank_device(cell.device, rank) for rank in range(cell.ranks))
    with ExitStack() as stack:
        held = [
            stack.enter_context(device_lock.held(torch.device(name), on_wait)) for name in names
        ]
        yield _Places(held)


@contextmanager
def _probed(machine: dict[str, Any], device: torch.device) -> Iterator[None]:
    """Enter how fast the machine was before and after."""
    machine["before"] = probe(device)
    try:
        yield
    finally:
        machine["after"] = probe(device)
        found = [machine["before"], *machine.get("between", ()), machine["after"]]
        machine["speed"] = min(map(speed, found))


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


def _measure(
    task: Task,
    cls: type[Method],
    scene: Scene,
    classes: Callable[[str], type[Method]] | None,
    others: Callable[[], AbstractContextManager[Followers | None]],
) -> Method:
    """Measure everything there is to a cell; return the trained method. others: gives the cell's
    other ranks. Raises whatever the method raises."""
    cell, measured = task.cell, task.measured
    if task.device.type == "cuda":
        torch.cuda.set_device(task.device)  # for kernels that run on the current one
    measured.scene = scene_facts(cell, scene)
    measured.identity["manifest"] = scene.manifest
    check_sight(scene)
    measured.memory["phases"] = task.memory.phases
    parents, prepared = load_parents(cell, task.out, classes, scene.manifest)
    build, prepare = built(cell, cls, scene, parents)
    _prepare(task, prepare, prepared)
    with others() as followers:
        method = set_up(task, build)
        if followers:
            task.announce = followers.announce
        train_cell(task, method)
        save(task, method)
        evaluate_cell(task, method)
        save_maps(task, method)
        export(task, method)
        if method.trains:
            measure_step(task, method)
        if followers:
            end(task, followers)
    facts = json.loads(json.dumps(method.facts()))  # TypeError if not JSON
    measured.facts = facts | task.notes
    measured.identity["precision"] = facts.get("precision")
    return method


def _prepare(
    task: Task, make: Callable[[], Mapping[str, float]], prepared: dict[str, float]
) -> None:
    """Prepare what training needs; `prepared` is what the parents took, by name."""
    task.report("prepare", 0.0, "")
    prepared |= make()
    task.measured.time |= {"prepared": prepared, "prepare_s": sum(prepared.values())}
