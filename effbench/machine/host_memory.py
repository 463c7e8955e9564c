"""How much of the host's memory this process may still take."""

from __future__ import annotations

from pathlib import Path

import psutil


def available(proc: Path = Path("/proc/self"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that can be taken before the system, or the limit of a control group that
    this process is in (a container's, say), stops it. What only caches files counts as free."""
    return min([int(psutil.virtual_memory().available), *_left_in_groups(proc, root)])


def _left_in_groups(proc: Path, root: Path) -> list[int]:
    """Return what is left of each limit on the way up from the process's group (cgroup v2)."""
    try:
        lines = (proc / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    named = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    folders = [root / name for name in named]
    found = (_left(f) for folder in folders for f in (folder, *folder.parents) if _below(f, root))
    return [left for left in found if left is not None]


def _below(folder: Path, root: Path) -> bool:
    return folder == root or root in folder.parents


def _left(group: Path) -> int | None:
    """Return what is left of a group's limit; None where it has none."""
    try:
        limit = (group / "memory.max").read_text(encoding="utf-8").strip()
        used = int((group / "memory.current").read_text(encoding="utf-8"))
        rows = (group / "memory.stat").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    cached = next((int(row.split()[1]) for row in rows if row.startswith("inactive_file ")), 0)
    return max(0, int(limit) - used + cached)
