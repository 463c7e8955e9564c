"""A plan's cells, one process each, in one output folder that a second run completes.

Every cell ends as a record, whatever became of it: a process that is killed is recorded by this
one, a cell whose parent failed is recorded as skipped. A cell without a record was in flight when
the run was interrupted, and is done again.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock, Timeout
from rich.console import Console

from effbench.analysis import disturbance, paper
from effbench.cell.facts import asked, scene_facts
from effbench.errors import EffbenchError, RecordError
from effbench.machine import provenance
from effbench.planning import plan
from effbench.planning.order import interleaved
from effbench.planning.plan import Cell, Plan
from effbench.planning.registry import discover
from effbench.records import record
from effbench.records.layout import CURVE, LOG, RECORD, RESUME, TABLES, cell_folder
from effbench.records.record import Record, Status
from effbench.runs.executors.contract import Ended, Executor
from effbench.runs.executors.local import Local
from effbench.runs.kept import Judgement, Keeper
from effbench.runs.progress import Display
from effbench.runs.scheduler import Scheduler

if TYPE_CHECKING:
    import pandas as pd

    from effbench.analysis.paper import Paper

RUNS = Path("results/runs")
_FINISHED = "it was finished before: --fresh does it again, with its profile"


@dataclass(frozen=True)
class Result:
    """What a run left: its folder, the plan's records in order, the files made of them, and the
    verdict on the claims of the plan's paper, if it has one."""

    out: Path
    records: list[Record]
    tables: list[Path]
    plots: list[Path]
    paper: Paper | None = None
    verdict: pd.DataFrame | None = None

    @property
    def failed(self) -> list[Record]:
        return [r for r in self.records if r.status != "ok"]


def choose_folder(planned: Plan, *, fresh: bool = False, runs: Path = RUNS) -> Path:
    """Return where a plan's results go when the user does not say.

    That is the newest folder of the same plan, which is then completed; if there is none, or if
    `fresh`, a new one named by suite and time.
    """
    stem = runs / f"{planned.suite}-{datetime.now():%Y%m%d-%H%M%S}"
    if not fresh:
        plans = sorted(runs.glob(f"*/{plan.FILES}"), key=lambda path: path.stat().st_mtime)
        for path in reversed(plans):
            if _same_plan(path, planned):
                return path.parent
    out, number = stem, 1
    while out.exists():  # two runs within a second
        number += 1
        out = stem.with_name(f"{stem.name}-{number}")
    return out


def run(
    planned: Plan,
    out: Path,
    console: Console,
    *,
    executor: Callable[[Path], Executor] = Local,
    fresh: bool = False,
    keep_stale: bool = False,
    retry_disturbed: bool = False,
    pictures: bool = True,
) -> Result:
    """Run a plan's cells into `out`, repetition by repetition, the rows of each shuffled.

    Finished cells are kept as far as they are of the code, data and machine of today; `fresh`
    keeps none, `keep_stale` all. executor: makes what runs cells of an output folder;
    retry_disturbed: do cells once more whose machine was slower than for the others, or shared;
    pictures: draw them beside the tables.
    Raises EffbenchError if the folder cannot be written, another run is at work in it, or the
    executor cannot run the cells; KeyboardInterrupt after stopping the cells in flight.
    """
    out = out.resolve()
    with _locked(out):
        runner = executor(out)
        try:
            planned.write(out)
            work = _Run(planned, out, console, runner, fresh=fresh, keep_stale=keep_stale)
            records = work.all()
            if retry_disturbed:
                records = work.disturbed(records)
        finally:
            runner.close()
        found = [records[cell.cell_id] for cell in planned.cells]
        return summarise(planned, out, found, pictures=pictures)


class _Run:
    """A plan at work in its folder, by an executor."""

    def __init__(
        self,
        planned: Plan,
        out: Path,
        console: Console,
        executor: Executor,
        *,
        fresh: bool,
        keep_stale: bool,
    ) -> None:
        self._planned, self._out, self._console = planned, out, console
        self._executor = executor
        self._order = interleaved(planned)
        self._fresh = fresh
        found = (discover(planned.plugins), keep_stale, executor.threads, executor.here)
        self._keeper = Keeper(planned, out, *found)

    def all(self) -> dict[str, Record]:
        """Run what has to be run; return all records by cell id."""
        with Display(self._console, self._order, self._executor.at_once) as display:

            def keep(cell: Cell) -> Judgement:
                judged = Judgement(None) if self._fresh else self._keeper.judge(cell)
                if judged.record is None:
                    _clear(cell_folder(self._out, cell.cell_id), fresh=self._fresh)
                    display.explain(cell, "run again", judged.reasons)
                elif self._planned.profile and not judged.record.profile.get("steps"):
                    display.explain(cell, "not profiled", [_FINISHED])
                return judged

            return self._scheduler(display, keep, {}).run(self._order)

    def disturbed(self, records: dict[str, Record]) -> dict[str, Record]:
        """Run disturbed cells once more, and what started from them; return all records."""
        told = [(r.cell_id, r.device, r.machine, r.provenance) for r in records.values()]
        marked = disturbance.by_cell(told, planned=self._executor.at_once > 1)
        again: dict[str, Cell] = {}
        for cell in self._order:
            if marked.get(cell.cell_id) or again.keys() & set(cell.parents.values()):
                again[cell.cell_id] = cell
        with Display(self._console, list(again.values()), self._executor.at_once) as display:

            def keep(cell: Cell) -> Judgement:
                _clear(cell_folder(self._out, cell.cell_id), fresh=True)
                reasons = marked.get(cell.cell_id) or ["its parent was run again"]
                display.explain(cell, "run again", reasons)
                return Judgement(None)

            return self._scheduler(display, keep, records).run(list(again.values()))

    def _scheduler(
        self,
        display: Display,
        keep: Callable[[Cell], Judgement],
        known: dict[str, Record],
    ) -> Scheduler:
        return Scheduler(self._executor, display, keep, self._read, self._write, known)

    def _read(self, cell: Cell, ended: Ended) -> Record:
        """Return the record of a cell that has ended, made here if its process left none."""
        path = cell_folder(self._out, cell.cell_id) / RECORD
        if path.exists():
            return record.read(path)
        if ended.code < 0 and not ended.reason:
            return self._write(cell, "killed", _killed(-ended.code))
        reason = f"the process ended with exit status {ended.code} and left no record: see {LOG}"
        return self._write(cell, "failed", ended.reason or reason)

    def _write(self, cell: Cell, status: Status, reason: str) -> Record:
        """Write the record of a cell that could not write its own."""
        cpu = torch.device("cpu")  # to ask a GPU for its name would take memory of it
        known = cell.device == "cpu" and self._executor.here
        result = Record(
            **asked(cell),
            status=status,
            reason=reason,
            scene=scene_facts(cell),
            device=provenance.device_name(cpu) if known else "",
            provenance=provenance.provenance(cpu, self._planned.command),
        )
        record.write(cell_folder(self._out, cell.cell_id) / RECORD, result)
        return result


def summarise(planned: Plan, out: Path, records: list[Record], *, pictures: bool = True) -> Result:
    """Write tables, plots if wanted and, for a plan with a paper, the verdict of the records below
    `out`."""
    from effbench.records.write import write_tables
    from effbench.report import papers

    written, drawn = write_tables(out), _drawn(out) if pictures else []
    if not planned.paper:
        return Result(out, records, written, drawn)
    tested = paper.load(planned.paper)
    frame, pages = papers.write(out, tested)
    verdict = frame if tested.judged else None
    return Result(out, records, written + pages, drawn, tested, verdict)


def _drawn(out: Path) -> list[Path]:
    from effbench.report.plots.pictures import write_plots

    return write_plots(out)


def _killed(number: int) -> str:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return f"killed by {name}, which is what the system does when memory runs out"
    return f"killed by {name}: see {LOG}"


def _clear(folder: Path, *, fresh: bool) -> None:
    """Make a cell's folder ready to be run in; records of earlier attempts stay, numbered.

    So does what a cell that was interrupted or killed goes on from, unless `fresh`.
    """
    if not folder.exists():
        return
    kept = () if fresh or not _can_go_on(folder) else (RESUME, CURVE, TABLES)
    if (folder / RECORD).exists():
        number = 1 + len(list(folder.glob("record.*.json")))
        (folder / RECORD).rename(folder / f"record.{number}.json")
    for path in folder.iterdir():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.match("record.*.json"):
            path.unlink()


def _can_go_on(folder: Path) -> bool:
    """Whether a cell left something to go on from, and was stopped rather than failed."""
    if not (folder / RESUME).exists():
        return False
    try:
        return record.read(folder / RECORD).status == "killed"
    except RecordError:
        return True  # no record: the run was interrupted


def _same_plan(path: Path, planned: Plan) -> bool:
    try:
        return plan.read_file(path).digest == planned.digest
    except EffbenchError:
        return False


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep a second run out of the folder; the system drops the lock of a process that dies."""
    lock = FileLock(out / ".lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise EffbenchError(
            f"{out}: another effbench run is at work there: wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise EffbenchError(
            f"{out}: cannot be written ({error.strerror or error}): name another --out"
        ) from error
    with lock:
        yield
