"""Cells as Slurm jobs, by submitit: arrays of jobs, which go on after a pre-emption.

The run's folder has to be on storage that the nodes share: jobs read the plan there and leave
their cells' files there; submitit's own files are in its folder `slurm`. This process waits for the
jobs and submits children once their parents are done; it may itself be a small job.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effbench import files
from effbench.cell.reporting import Report
from effbench.errors import ConfigError, EffbenchError
from effbench.machine import cores
from effbench.machine.cores import Claim
from effbench.method.budget import Budget
from effbench.planning.plan import Cell, Plan
from effbench.records.layout import LOG, cell_folder
from effbench.runs.executors.contract import Ended
from effbench.runs.executors.names import Wanted
from effbench.runs.supervise import Seat, run_worker

FOLDER = "slurm"  # below a run's folder
_JOBS = "jobs.json"  # of a run that did not end: what may be in the queue still
_ARRAY = 1000  # jobs at most; Slurm's own limit is 1001 as it comes
_TICK_S = 0.25
_SHOW_EVERY_S = 2.0
_GRACE_S = 15.0
_SIGNAL_S = 90  # before its time is over, a job is told


@dataclass
class _Flight:
    """A cell that was given to Slurm, and its job once it was submitted."""

    cell: Cell
    report: Report
    job: Any = None


class Slurm:
    """Runs cells of an output folder as jobs, up to `jobs` of them at a time."""

    here = False

    def __init__(self, submitit: Any, planned: Plan, out: Path, wanted: Wanted) -> None:
        """submitit: the module. Raises ConfigError or EffbenchError as `of` does."""
        self._submitit, self._planned, self._out = submitit, planned, out
        self._local = wanted.address == "local"
        self.threads = wanted.threads or 1
        self.at_once = wanted.jobs or (1 if self._local else _ARRAY)
        self._limit = self.at_once if self._local else _ARRAY
        self._allowance_s = _seconds(wanted.allowance)
        self._flying: dict[str, _Flight] = {}
        self._show_at = 0.0
        self._executor = self._made(wanted)
        self._cancel_left_over()

    @classmethod
    def of(cls, planned: Plan, out: Path, wanted: Wanted) -> Slurm:
        """Return the executor of a plan.

        Raises EffbenchError where submitit or Slurm is not there; ConfigError for an option that
        sbatch does not take, and for more cells at once than this machine has room for, where it
        plays Slurm's part (address "local").
        """
        try:
            import submitit
        except ImportError as error:
            raise EffbenchError(
                f"--executor slurm needs submitit ({error}): pip install 'effbench[cluster]'"
            ) from error
        made = cls(submitit, planned, out, wanted)
        if made._local:
            cores.check_room(made.threads, made.at_once)
        return made

    def room(self) -> int:
        """Return how many more jobs may be submitted."""
        return self._limit - len(self._flying)

    def takes_children(self) -> bool:
        """It does not: they are submitted once their parents are done."""
        return False

    def start(self, cell: Cell, report: Report) -> None:
        """Take a cell; those taken since the last look at what has ended are one array."""
        self._flying[cell.cell_id] = _Flight(cell, report)
        report("wait", 0.0, "in the queue")

    def ended(self) -> list[Ended]:
        """Submit what was taken; return the cells whose jobs have ended."""
        self._submit()
        self._show()
        time.sleep(_TICK_S)
        found = []
        for cell_id, flight in list(self._flying.items()):
            if flight.job.done():
                del self._flying[cell_id]
                found.append(self._result(cell_id, flight.job))
        return found

    def stop(self) -> None:
        """Cancel all jobs, and wait until they are gone."""
        jobs = [flight.job for flight in self._flying.values() if flight.job]
        for job in jobs:
            with suppress(Exception):  # of one that has ended
                job.cancel(check=False)
        end = time.monotonic() + _GRACE_S
        while self._local and time.monotonic() < end and not all(job.done() for job in jobs):
            time.sleep(_TICK_S)
        self._flying.clear()

    def close(self) -> None:
        """Forget the jobs of this run."""
        (self._out / FOLDER / _JOBS).unlink(missing_ok=True)

    def _made(self, wanted: Wanted) -> Any:
        cluster = "local" if self._local else "slurm"
        try:
            made = self._submitit.AutoExecutor(self._out / FOLDER / "%j", cluster=cluster)
        except RuntimeError as error:
            raise EffbenchError(
                f"{error}: run this where `sbatch` and `srun` are, or try it without Slurm by "
                "--address local"
            ) from error
        ranks = max(cell.ranks for cell in self._planned.cells)
        gpus = ranks if self._planned.cells[0].device != "cpu" else 0
        asks: dict[str, Any] = {
            "name": f"effbench-{self._planned.suite}",
            "cpus_per_task": self.threads,
            "slurm_array_parallelism": self.at_once,
            "slurm_signal_delay_s": _SIGNAL_S,
            **({"gpus_per_node": gpus} if gpus else {}),
            **{f"slurm_{key}": value for key, value in wanted.parsed().items()},
        }
        try:
            made.update_parameters(**asks)
        except (NameError, TypeError) as error:
            raise ConfigError(f"--cluster-option: {error}") from error
        return made

    def _cancel_left_over(self) -> None:
        """Cancel the jobs of a run of this folder that was killed: its cells are done again."""
        path = self._out / FOLDER / _JOBS
        if self._local or not path.exists():
            return
        for number in json.loads(path.read_text(encoding="utf-8")):
            with suppress(Exception):  # of one that has ended
                self._submitit.SlurmJob(path.parent, number).cancel(check=False)
        path.unlink()

    def _submit(self) -> None:
        """Submit what was taken as one array."""
        new = [flight for flight in self._flying.values() if flight.job is None]
        if not new:
            return
        longest = max(Budget.parse(flight.cell.budget).seconds or 0.0 for flight in new)
        minutes = math.ceil((longest + self._allowance_s) / 60)
        self._executor.update_parameters(timeout_min=minutes)
        told = {"name": "slurm", "jobs": self.at_once}
        with self._executor.batch():
            for flight in new:
                cell = flight.cell
                job = Job(self._out, cell.cell_id, self.threads, cell.ranks, told)
                flight.job = self._executor.submit(job)
        numbers = [flight.job.job_id for flight in self._flying.values()]
        files.write_json(self._out / FOLDER / _JOBS, numbers)

    def _result(self, cell_id: str, job: Any) -> Ended:
        try:
            return Ended(cell_id, job.result())
        except self._submitit.core.utils.UncompletedJobError as error:
            return Ended(cell_id, 1, f"job {job.job_id} ended early: {_first_line(error)}")
        except self._submitit.core.utils.FailedJobError as error:
            return Ended(cell_id, 1, f"job {job.job_id} failed: {_last_line(error)}")

    def _show(self) -> None:
        """Pass on what jobs have written of their progress."""
        if time.monotonic() < self._show_at:
            return
        self._show_at = time.monotonic() + _SHOW_EVERY_S
        for cell_id, flight in self._flying.items():
            with suppress(OSError, ValueError):  # it waits in the queue
                text = _progress(self._out, cell_id).read_text(encoding="utf-8")
                flight.report(*json.loads(text))


class Job:
    """What a job does: run its cell. Told to make way, it stops the cell and asks to be queued
    again; the cell then goes on from where its method left a snapshot, or begins anew."""

    def __init__(
        self, out: Path, cell_id: str, threads: int, ranks: int, told: Mapping[str, Any]
    ) -> None:
        self._out, self._cell_id, self._threads = out, cell_id, threads
        self._ranks, self._told = ranks, told

    def __call__(self) -> int:
        """Return the exit status of the cell's process."""
        path = _progress(self._out, self._cell_id)
        report = _reporter(path)
        job = os.environ.get("SLURM_JOB_ID")
        # Slurm binds a job to its processors; where there is none, cells claim theirs.
        claim = Claim(()) if job else cores.wait_for(self._threads)
        try:
            told = {**self._told, "host": socket.gethostname(), **({"job": job} if job else {})}
            seat = Seat(claim.cores, None, self._ranks, told)
            log = cell_folder(self._out, self._cell_id) / LOG
            return run_worker(self._out, self._cell_id, log, report, seat)
        finally:
            claim.release()
            path.unlink(missing_ok=True)

    def checkpoint(self) -> Any:
        """Return what is queued again; the process of the cell is stopped when this one exits."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _progress(out: Path, cell_id: str) -> Path:
    return out / FOLDER / "progress" / f"{cell_id}.json"


def _reporter(path: Path) -> Report:
    """Return what writes progress to a file, now and then and when a phase begins."""
    last: list[Any] = ["", 0.0]
    node = socket.gethostname()

    def report(phase: str, fraction: float, note: str) -> None:
        now = time.monotonic()
        if phase == last[0] and now - last[1] < _SHOW_EVERY_S:
            return
        last[:] = [phase, now]
        text = " ".join(part for part in (note, f"on {node}") if part)
        files.write_json(path, [phase, fraction, text])

    return report


def _seconds(allowance: str) -> float:
    seconds = Budget.parse(allowance).seconds
    if seconds is None:
        raise ConfigError(f"--allowance {allowance}: write a time, such as 30m")
    return seconds


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")


def _last_line(error: Exception) -> str:
    return next(reversed(str(error).strip().splitlines()), "no message")
