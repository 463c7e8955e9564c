"""The threads of OpenMP, and how they are sent away."""

from __future__ import annotations

import ctypes
from pathlib import Path

_HARD = 2  # omp_pause_hard: give up everything that can be made again


def rest() -> bool:
    """End the threads that OpenMP keeps between parallel regions; the next region starts new ones.

    Under OMP_WAIT_POLICY=ACTIVE (`effbench.machine.environment`) they spin while they wait, and
    would take a core each from other processes' work. Returns whether there was such a library.
    """
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        loaded = {line.split(maxsplit=5)[5] for line in maps if "/libgomp" in line}
        codes = [ctypes.CDLL(path).omp_pause_resource_all(_HARD) for path in sorted(loaded)]
    except (OSError, AttributeError):  # not Linux, or an OpenMP before 5.0
        return False
    return bool(codes) and not any(codes)
