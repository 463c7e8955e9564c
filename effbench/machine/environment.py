"""Settings that torch and numba read when they are imported, and so belong to a new process."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def settings() -> dict[str, str]:
    """Return the environment in which a process computes fastest: threads and memory."""
    # Tables and their gradients are read at random: in pages of 2 MB hash encoding takes 35 instead
    # of 55 ms at T = 2^19. glibc 2.35 and later; others ignore it.
    return {**openmp_settings(), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


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
