"""Resident set size of the own process: what it holds in memory, now and at its peak."""

from __future__ import annotations

import sys
from pathlib import Path


def reset_peak() -> bool:
    """Set the kernel's peak resident set size to the present one; False where it cannot be."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc_pid_clear_refs(5)
    except OSError:
        return False
    return True


def peak() -> int:
    """Return the peak resident set size of this process in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        import resource

        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return highest if sys.platform == "darwin" else highest * 1024
