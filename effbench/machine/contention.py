"""Whether others took processor time while something was measured, as far as Linux tells."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Contention:
    """What happens between its making and `read`, to all threads of this process.

    Where the system does not tell a figure it is None.
    """

    def __init__(self, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc, self._groups = proc, groups
        self._began = time.perf_counter()
        self._cpu = time.process_time()
        self._waited = self._queued()
        self._stolen = self._steal()
        self._stopped = self._throttled()

    def read(self) -> dict[str, float | None]:
        """Return `cpu_share` (processor time over wall time, in processors) and parts of the wall
        time: `waiting`, in which a thread that could run stood in the queue, averaged over the
        threads at work; `steal`, which the hypervisor gave to other machines; `throttled`, in which
        a quota stopped the process."""
        wall = max(time.perf_counter() - self._began, 1e-9)
        ran = time.process_time() - self._cpu
        waited = _since(self._waited, self._queued())
        return {
            "cpu_share": ran / wall,
            "waiting": None if waited is None else waited / max(waited + ran, 1e-9),
            "steal": _part(self._stolen, self._steal(), wall * (os.cpu_count() or 1)),
            "throttled": _part(self._stopped, self._throttled(), wall),
        }

    def _queued(self) -> float | None:
        """Return the seconds that living threads have spent runnable but not running."""
        total, found = 0, False
        for path in (self._proc / "self" / "task").glob("*/schedstat"):
            try:
                total += int(path.read_text(encoding="ascii").split()[1])
                found = True
            except (OSError, ValueError, IndexError):  # a thread that ended meanwhile
                continue
        return total / 1e9 if found else None

    def _steal(self) -> float | None:
        """Return the seconds stolen from all processors of this machine since it started."""
        try:
            first = (self._proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()
            return int(first[8]) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return None

    def _throttled(self) -> float | None:
        """Return the seconds for which a quota has stopped this control group."""
        for name, key, unit in (
            ("cpu.stat", "throttled_usec", 1e-6),
            ("cpu/cpu.stat", "throttled_time", 1e-9),
        ):
            try:
                lines = (self._groups / name).read_text(encoding="ascii").splitlines()
                return int(dict(line.split() for line in lines)[key]) * unit
            except (OSError, ValueError, KeyError):
                continue
        return None


def _since(before: float | None, after: float | None) -> float | None:
    """Return a difference, not below 0: a thread's time goes with it when it ends."""
    return None if before is None or after is None else max(0.0, after - before)


def _part(before: float | None, after: float | None, whole: float) -> float | None:
    spent = _since(before, after)
    return None if spent is None else spent / whole
