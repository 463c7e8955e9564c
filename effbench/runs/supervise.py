"""One cell in a process of its own: its environment, its log, its progress and its end."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from effbench.cell.reporting import Report
from effbench.machine import environment

_GRACE_S = (5.0, 3.0)  # after an interrupt, after a request to terminate
_TICK_S = 0.25


def run_worker(
    out: Path,
    cell_id: str,
    log: Path,
    report: Report,
    tick: Callable[[], None],
    ranks: int = 1,
) -> int:
    """Run a cell of `out`'s plan in its own process and return its exit status.

    The status is negative if a signal ended it. What the process prints goes to `log`. report:
    called with the worker's progress; tick: called a few times a second; ranks: how many processes
    of the cell share the processors, the worker one of them. The process never
    outlives this one; on an exception, such as KeyboardInterrupt, it is stopped first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [*worker_command(out, cell_id), "--supervised"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=environment.of_a_child(ranks),
            start_new_session=True,  # Ctrl-C reaches this process alone, which stops the worker
        )
    assert process.stdin is not None
    assert process.stdout is not None
    reader = threading.Thread(target=_read, args=(process.stdout, report), daemon=True)
    reader.start()
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_TICK_S)
            tick()
    except BaseException:
        _stop(process)
        raise
    finally:
        process.stdin.close()
        reader.join(1.0)  # ends with the pipe, unless a process that the worker left has it too
        if not reader.is_alive():
            process.stdout.close()


def worker_command(out: Path, cell_id: str) -> list[str]:
    """Return the command of a cell's process."""
    return [sys.executable, "-P", "-m", "effbench.runs.worker", str(out), cell_id]


def _read(stream: IO[bytes], report: Report) -> None:
    for line in stream:
        phase, fraction, note = json.loads(line)
        report(phase, fraction, note)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a worker: ask twice, each time a little less politely, then kill it."""
    for number, grace in zip((signal.SIGINT, signal.SIGTERM), _GRACE_S, strict=True):
        process.send_signal(number)
        try:
            process.wait(grace)
            return
        except subprocess.TimeoutExpired:
            continue
        except KeyboardInterrupt:  # a second Ctrl-C: at once
            break
    process.kill()
    process.wait()
