"""One cell in a process of its own: its environment, its log, its progress and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from effbench.cell.reporting import Report
from effbench.machine import cores, environment, provenance

_GRACE_S = (5.0, 3.0)  # after an interrupt, after a request to terminate
_TICK_S = 0.25


@dataclass(frozen=True)
class Seat:
    """Where a cell's process runs.

    cores: the processors it is bound to (none: this process's own); gpus: the ones it sees, as
    CUDA_VISIBLE_DEVICES has them (None: this process's own); ranks: how many processes of the cell
    share the processors, its worker one of them; told: what its record says of who ran it.
    """

    cores: Sequence[int] = ()
    gpus: Sequence[str] | None = None
    ranks: int = 1
    told: Mapping[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment of the process."""
        with cores.pinned(self.cores):
            found = environment.of_a_child(self.ranks, len(self.cores) or None)
        if self.gpus is not None:
            found["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        told = {**self.told, **({"cores": list(self.cores)} if self.cores else {})}
        return {**found, provenance.EXECUTOR: json.dumps(told)}


class Worker:
    """A cell of `out`'s plan in a process of its own, which never outlives this one."""

    def __init__(
        self, out: Path, cell_id: str, log: Path, report: Report, seat: Seat | None = None
    ) -> None:
        """Start it. What it prints goes to `log`; report: called with its progress, in another
        thread; seat: where it runs and what its record says of that."""
        seat = seat or Seat()
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [*worker_command(out, cell_id), "--supervised"]
        with log.open("wb") as stream, cores.pinned(seat.cores):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=seat.environment(),
                start_new_session=True,  # Ctrl-C reaches this process alone, which stops the worker
            )
        self._reader = threading.Thread(target=self._read, args=(report,), daemon=True)
        self._reader.start()

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit status, negative if a signal ended it; None if it is at work still."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._close()
        return status

    def interrupt(self) -> None:
        """Ask it to stop."""
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Stop it: ask twice, each time a little less politely, then kill it."""
        for number, grace in zip((signal.SIGINT, signal.SIGTERM), _GRACE_S, strict=True):
            self._process.send_signal(number)
            try:
                self._process.wait(grace)
                break
            except subprocess.TimeoutExpired:
                continue
            except KeyboardInterrupt:  # a second Ctrl-C: at once
                break
        self._process.kill()
        self._process.wait()
        self._close()

    def _read(self, report: Report) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            phase, fraction, note = json.loads(line)
            report(phase, fraction, note)

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._reader.join(1.0)  # ends with the pipe, unless a process that the worker left has it
        if not self._reader.is_alive():
            self._process.stdout.close()


def run_worker(
    out: Path,
    cell_id: str,
    log: Path,
    report: Report,
    seat: Seat | None = None,
) -> int:
    """Run a cell of `out`'s plan in its own process and return its exit status, as `Worker` has it.

    On an exception, such as KeyboardInterrupt, the process is stopped first.
    """
    worker = Worker(out, cell_id, log, report, seat)
    try:
        while True:
            status = worker.wait(_TICK_S)
            if status is not None:
                return status
    except BaseException:
        worker.stop()
        raise


def worker_command(out: Path, cell_id: str) -> list[str]:
    """Return the command of a cell's process."""
    return [sys.executable, "-P", "-m", "effbench.runs.worker", str(out), cell_id]
