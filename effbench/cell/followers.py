"""The other ranks of a cell, as rank 0 has them: started, told what to do, watched, ended.

Rank 0 is the cell's own process; it alone has clock, budget, curve and record. Every other rank is
a child of it (`effbench.cell.following`) and waits at its standard input: a line is the progress of
a step to be done, `STOP` the end, and a closed pipe that rank 0 is gone. On its standard output a
rank tells what it knows, a JSON object per line. Waiting at a pipe has no time limit, so that rank
0 may evaluate for as long as it likes; inside a step the ranks wait for each other in collectives,
which have one (`effbench.machine.process_group`).
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from effbench.errors import EffbenchError

STOP = "stop"
READY, ERROR = "ready", "error"  # keys of what a rank tells
_END_S = 10.0  # for ranks that were told to stop
NOTICE_S = 20.0  # until rank 0 itself must have noticed that a rank is dead
_CAUSE_S = 0.2  # the others may be seen to fail of a death before it is seen itself


class Followers:
    """Ranks 1 to N − 1."""

    def __init__(
        self,
        command: Sequence[str],
        ranks: int,
        env: Mapping[str, str],
        stuck: Callable[[str], None],
        notice_s: float | None = None,
    ) -> None:
        """Start them. command: of a rank, completed by its number; stuck: called in a thread of its
        own with what became of a rank that has been dead for `notice_s` without rank 0 asking."""
        self._stuck, self._notice_s = stuck, notice_s or NOTICE_S
        self._changed = threading.Condition()
        self._told: dict[int, dict[str, Any]] = {rank: {} for rank in range(1, ranks)}
        self._faults: list[tuple[bool, str]] = []  # whether a signal did it, and what happened
        self._noticed = threading.Event()
        self._ending = False
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        try:
            for rank in self._told:
                self._processes[rank] = subprocess.Popen(
                    [*command, "--rank", str(rank)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=dict(env),
                    start_new_session=True,  # Ctrl-C reaches rank 0 alone, which ends the others
                )
        except BaseException:
            self.close()
            raise
        self._threads = [
            threading.Thread(target=self._watch, args=item, daemon=True)
            for item in self._processes.items()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> list[int]:
        """The processes' ids, by rank."""
        return [process.pid for process in self._processes.values()]

    def gather(self) -> None:
        """Wait until every rank has loaded what it needs, and send all of them on at once. Raises
        EffbenchError if one ends before."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._faults or all(READY in told for told in self._told.values())
            )
        self.announce(0.0)

    def announce(self, progress: float) -> None:
        """Let every rank do the step that rank 0 is about to do. Raises EffbenchError if one is
        gone."""
        self._send(json.dumps(progress))
        if self._faults:
            raise EffbenchError(self.fault())

    def fault(self, wait_s: float = 0.0) -> str:
        """Return what became of the rank that ended first, "" if none has; wait_s: how long to wait
        for one to end."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._faults), wait_s)
            if not self._faults:
                return ""
        self._noticed.set()
        time.sleep(_CAUSE_S)
        with self._changed:
            return max(self._faults, key=lambda fault: fault[0])[1]  # the first of equals

    def stop(self) -> list[dict[str, Any]]:
        """End the ranks; return what each one told."""
        self._ending = True
        self._send(STOP)
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        self.close()
        return list(self._told.values())

    def close(self) -> None:
        """End at once whichever rank is still there."""
        self._ending = True
        self._noticed.set()
        for process in self._processes.values():
            process.kill()  # does nothing to one that has ended
            process.wait()
            with contextlib.suppress(OSError):  # what was not read any more
                if process.stdin:
                    process.stdin.close()
        for thread in getattr(self, "_threads", ()):
            thread.join(1.0)

    def _send(self, line: str) -> None:
        for process in self._processes.values():
            with contextlib.suppress(OSError):  # it is gone, which its thread will see
                if process.stdin:
                    process.stdin.write(f"{line}\n".encode())
                    process.stdin.flush()

    def _watch(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        """Take down what a rank tells, and how it ends."""
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                told = _told(line)
                with self._changed:
                    self._told[rank] |= told
                    if ERROR in told:
                        self._faults.append((False, f"rank {rank}: {told[ERROR]}"))
                    self._changed.notify_all()
        code = process.wait()
        if self._ending:
            return
        with self._changed:
            if ERROR not in self._told[rank]:
                self._faults.append((code < 0, f"rank {rank} {_ended(code)}"))
            self._changed.notify_all()
        if not self._noticed.wait(self._notice_s):
            self._stuck(self.fault())


def _told(line: bytes) -> dict[str, Any]:
    """Return what a line says; nothing if it is not a rank's but a library's, from start-up."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _ended(code: int) -> str:
    """Say how a process ended, by its exit status."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit status {code}"
