"""Processes of this machine: one cell at a time on all of it, or several side by side."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effbench.cell.reporting import Report
from effbench.errors import ConfigError, EffbenchError
from effbench.machine import cores, device_lock, environment
from effbench.machine.cores import Claim
from effbench.planning.plan import Cell
from effbench.records.layout import LOG, cell_folder
from effbench.runs.executors.contract import Ended
from effbench.runs.supervise import Seat, Worker

_TICK_S = 0.25


@dataclass
class _Busy:
    """A cell at work and what it holds."""

    worker: Worker
    claim: Claim
    gpus: Sequence[str]


class Local:
    """Runs up to `jobs` cells of an output folder at once, none of them on another's processors.

    jobs=1 without `threads` is the reference: a cell has the whole machine. Otherwise each cell is
    bound to `threads` processors of its own (default: an equal share), and on CUDA it sees no GPU
    but its own.
    """

    here = True

    def __init__(
        self,
        out: Path,
        jobs: int = 1,
        threads: int | None = None,
        device: str = "cpu",
        ranks: int = 1,
    ) -> None:
        """device, ranks: the cells'. Raises ConfigError where this machine has too few processors
        or GPUs for so many cells at once."""
        self._out = out
        self.at_once = jobs
        self.threads = threads
        if jobs > 1 and threads is None:
            self.threads = environment.threads_of_a_rank(jobs)
        if self.threads is not None:
            cores.check_room(self.threads, jobs)
        self._ranks = ranks if device != "cpu" else 1
        self._gpus = _gpus(device, jobs, ranks)
        self._busy: dict[str, _Busy] = {}
        self._next: Claim | None = None

    def room(self) -> int:
        """Return 1 if there are processors for another cell now, else 0."""
        if len(self._busy) == self.at_once:
            return 0
        if self._next is None:
            self._next = Claim(()) if self.threads is None else _claim(self.threads)
        return int(self._next is not None)

    def takes_children(self) -> bool:
        """It does not."""
        return False

    def start(self, cell: Cell, report: Report) -> None:
        """Start a cell's process, where `room` has found it a place."""
        claim, self._next = self._next, None
        assert claim is not None
        gpus = [self._gpus.pop(0) for _ in range(self._ranks)] if self._gpus else []
        told = {"name": "local", "host": socket.gethostname()}
        seat = Seat(claim.cores, gpus or None, cell.ranks, {**told, "jobs": self.at_once})
        log = cell_folder(self._out, cell.cell_id) / LOG
        worker = Worker(self._out, cell.cell_id, log, report, seat)
        self._busy[cell.cell_id] = _Busy(worker, claim, gpus)

    def ended(self) -> list[Ended]:
        """Return the cells whose processes have ended, after waiting a quarter of a second."""
        found, timeout = [], _TICK_S
        if not self._busy:
            time.sleep(_TICK_S)  # for processors that other runs hold
        for cell_id, busy in list(self._busy.items()):
            code = busy.worker.wait(timeout)
            timeout = 0.0
            if code is not None:
                self._free(cell_id)
                found.append(Ended(cell_id, code))
        return found

    def stop(self) -> None:
        """Stop all cells: each is asked first, so that they end side by side."""
        for busy in self._busy.values():
            busy.worker.interrupt()
        for cell_id, busy in list(self._busy.items()):
            busy.worker.stop()
            self._free(cell_id)

    def close(self) -> None:
        """Let other runs have the processors."""
        if self._next is not None:
            self._next.release()
            self._next = None

    def _free(self, cell_id: str) -> None:
        busy = self._busy.pop(cell_id)
        busy.claim.release()
        self._gpus.extend(busy.gpus)


def _claim(threads: int) -> Claim | None:
    try:
        return cores.claim(threads)
    except OSError as error:
        raise EffbenchError(f"{device_lock.unwritable(error)}; or use --jobs 1") from error


def _gpus(device: str, jobs: int, ranks: int) -> list[str]:
    """Return the GPUs that cells take turns on, as CUDA_VISIBLE_DEVICES names them; none where a
    cell has no other beside it, or on a CPU."""
    if device == "cpu" or jobs == 1:
        return []
    if device != "cuda:0":
        raise ConfigError(
            f"several cells at once choose their GPUs themselves: leave out --device {device}, and "
            "set CUDA_VISIBLE_DEVICES to the GPUs they may use"
        )
    import torch

    there = torch.cuda.device_count()
    if there < jobs * ranks:
        of = f" of {ranks} ranks" if ranks > 1 else ""
        raise ConfigError(
            f"{jobs} cells at once{of} need {jobs * ranks} GPUs, and this machine has {there}: ask "
            "for fewer --jobs"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:there] if visible else [str(n) for n in range(there)]
