"""Settings that torch and numba read when they are imported, and so belong to a new process."""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path

import effbench

_THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")


def of_a_child(ranks: int = 1, threads: int | None = None) -> dict[str, str]:
    """Return the environment of a process of effbench's own: this one's, which the user may have
    set, completed by `settings`, and this effbench to be found in it.

    ranks: how many such processes compute at the same time and share the processors; threads: how
    many these have together, whatever the user has set (None: as many as this process may).
    """
    root = str(Path(effbench.__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    completed = {**settings(), **os.environ, "PYTHONPATH": path}
    if threads is not None:
        completed |= dict.fromkeys(_THREADS, str(threads))
    if ranks > 1:
        share = threads_of_a_rank(ranks)
        own = {name: completed.get(name, "") for name in _THREADS}
        completed |= {
            name: str(min(share, int(n) if n.isdigit() else share)) for name, n in own.items()
        }
    return completed


def threads_of_a_rank(ranks: int) -> int:
    """Return how many threads each of `ranks` processes may have that share the processors."""
    return max(1, usable_threads() // ranks)


def settings() -> dict[str, str]:
    """Return the environment in which a process computes fastest: threads and memory."""
    # Tables and their gradients are read at random: in pages of 2 MB hash encoding takes 35 instead
    # of 55 ms at T = 2^19. glibc 2.35 and later; others ignore it.
    return {**openmp_settings(), **_threads(), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def openmp_settings() -> dict[str, str]:
    """Return the environment in which torch's and numba's kernels share the cores best.

    numba's `omp` layer loads libgomp.so.1. A torch that brings its libgomp under that name shares
    its threads with numba, and threads that spin between the many short kernels of a step save
    the time to wake them: 51 → 41 ms per Instant-NGP iteration on 2 cores. With any other torch
    there are two pools, and threads that spin would take the cores from the other pool.
    """
    policy = "ACTIVE" if _torch_shares_libgomp() else "PASSIVE"
    return {"OMP_WAIT_POLICY": policy, "NUMBA_THREADING_LAYER": "omp"}


def _torch_shares_libgomp() -> bool:
    spec = importlib.util.find_spec("torch")  # does not import it
    folders = (spec and spec.submodule_search_locations) or []
    return any((Path(folder) / "lib" / "libgomp.so.1").exists() for folder in folders)


def usable_threads() -> int:
    """Return how many processors this process may keep busy: those its affinity names, or the
    quota of its control groups, rounded up. A container that may use the time of 2 of 64
    processors is stopped for part of each period if it has more threads than that."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(proc: Path = Path("/proc/self"), root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return how many processors' time the control groups of this process allow, the tightest of
    them; None for no limit, or where there are none (not Linux)."""
    try:
        groups = [
            line.split(":", 2)
            for line in (proc / "cgroup").read_text(encoding="utf-8").splitlines()
        ]
    except OSError:
        return None
    quotas = []
    for _, controllers, path in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / controllers if controllers else root  # version 1 has a tree per controller
        inside = Path(path.lstrip("/"))
        for group in (inside, *inside.parents):  # "." last: all a container sees of its own
            quota = _quota(top / group)
            if quota is not None:
                quotas.append(quota)
    return min(quotas, default=None)


def _quota(group: Path) -> float | None:
    """Return the quota of one control group, in processors."""
    try:
        if (group / "cpu.max").exists():  # version 2: "200000 100000", or "max 100000"
            time, period = (group / "cpu.max").read_text(encoding="utf-8").split()
            return None if time == "max" else int(time) / int(period)
        time, period = (
            (group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8")
            for name in ("quota", "period")
        )
        return None if int(time) <= 0 else int(time) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _threads() -> dict[str, str]:
    """Return the numbers of threads where a quota allows fewer than the libraries would start."""
    quota = cpu_quota()
    if quota is None:
        return {}
    return dict.fromkeys(_THREADS, str(usable_threads()))
