"""What the harness itself costs per cell as plans grow: planning, bookkeeping, tables.

The cells are of a method that does nothing, and are run by an executor that only writes a record
for each: what is left is effbench's own time, without the start of processes.
"""

from __future__ import annotations

import io
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console

from bench.records import synthetic
from effbench.cell import identity
from effbench.cell.facts import asked, scene_facts
from effbench.cell.reporting import Report
from effbench.machine import provenance
from effbench.machine.placement import place
from effbench.method.config import Setting
from effbench.planning import sources
from effbench.planning.plan import Cell, Plan
from effbench.planning.planner import Request, make_plan
from effbench.planning.registry import Registry, discover
from effbench.records import record
from effbench.records.layout import MODEL, RECORD, cell_folder
from effbench.records.record import Record
from effbench.runs.executors.contract import Ended
from effbench.runs.run import Result, run

SEEDS = 10
SCENE = "procedural/blocks"


NOTHING = '''"""A method that is planned and never run."""

from dataclasses import dataclass

from effbench.method import Method


@dataclass(frozen=True)
class NothingConfig:
    row: int = 0  # tells rows apart


class Nothing(Method):
    """Does nothing."""

    name = "nothing"
    Config = NothingConfig
'''


class Scribe:
    """Writes the record of a cell that it is given, as if it had been run."""

    at_once, threads, here = 1, None, True

    def __init__(self, out: Path, planned: Plan, registry: Registry) -> None:
        self._out, self._ended = out, list[Ended]()
        self._like = synthetic(0)
        self._made = provenance.provenance(torch.device("cpu"), ())
        self._device = self._made["device"]
        self._registry = registry
        self._manifest = registry.scene_manifest(planned.cells[0].scene, None)

    def room(self) -> int:
        return int(not self._ended)

    def takes_children(self) -> bool:
        return False

    def start(self, cell: Cell, report: Report) -> None:
        folder = cell_folder(self._out, cell.cell_id)
        known = identity.now(cell, sources.of(cell, self._registry), self._manifest, self._out)
        groups = {name: self._like[name] for name in ("quality", "time", "memory", "size")}
        done = Record(
            **asked(cell),
            status="ok",
            scene=scene_facts(cell) | {"manifest": self._manifest},
            device=self._device,
            identity=known,
            provenance=self._made,
            **groups,
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).touch()
        record.write(folder / RECORD, done)
        self._ended.append(Ended(cell.cell_id, 0))

    def ended(self) -> list[Ended]:
        found, self._ended = self._ended, []
        return found

    def stop(self) -> None:
        """Nothing is in flight."""

    def close(self) -> None:
        """Nothing is held."""


def measure(cells: int) -> dict[str, float]:
    """Return seconds: of planning so many cells, of running them with tables, without pictures, and
    of the same run again, when all stand; `per_cell_ms` of the first two, `peak_mb` of this process
    so far."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(folder) / "plugins"
        (plugins / "methods").mkdir(parents=True)
        (plugins / "methods/nothing.py").write_text(NOTHING, encoding="utf-8")
        registry = discover([plugins])
        request = _request(cells)
        planned = _timed(seconds, "plan", lambda: make_plan(request, registry, plugins=[plugins]))
        out, quiet = Path(folder) / "out", Console(file=io.StringIO())

        def once() -> Result:
            scribe = partial(Scribe, planned=planned, registry=registry)
            return run(planned, out, quiet, executor=scribe, pictures=False)

        done = _timed(seconds, "run", once)
        again = _timed(seconds, "kept", once)
        assert again.records == done.records
    own = seconds["plan"] + seconds["run"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {**seconds, "per_cell_ms": 1e3 * own / len(planned.cells), "peak_mb": peak}


def _request(cells: int) -> Request:
    device, backend = place("cpu")
    rows = tuple(str(row) for row in range(max(1, cells // SEEDS)))
    return Request(
        methods=("nothing",),
        scenes=(SCENE,),
        settings=(Setting(None, "row", rows),),
        budget="5it",
        seeds=min(cells, SEEDS),
        device=device,
        backend=backend,
    )


T = TypeVar("T")


def _timed(seconds: dict[str, float], name: str, work: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = work()
    seconds[name] = time.perf_counter() - started
    return result
