"""One cell at a time per device, across processes: two that share one spoil both their figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock, Timeout

from effbench.errors import EffbenchError
from effbench.machine import nvml

if TYPE_CHECKING:
    import torch


@contextmanager
def held(device: torch.device, on_wait: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Hold a device while the context lasts; gives whether no other cell of this user is on it.

    A GPU is waited for, after a call of `on_wait`. A CPU is not: other programs use it anyway, so
    the answer is all there is. The system drops the lock of a process that dies.
    Raises EffbenchError when the lock's folder cannot be written.
    """
    lock = FileLock(_folder() / f"{_name(device)}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if device.type == "cuda":
            on_wait()
            lock.acquire(timeout=-1)
    try:
        yield lock.is_locked
    finally:
        lock.release()  # does nothing to a lock that is not held


def _name(device: torch.device) -> str:
    """Return a name that stays the same whatever CUDA_VISIBLE_DEVICES numbers the GPUs."""
    return nvml.device_uuid(device) if device.type == "cuda" else device.type


def _folder() -> Path:
    root = os.environ.get("EFFBENCH_CACHE") or platformdirs.user_cache_dir("effbench")
    folder = Path(root).expanduser() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EffbenchError(
            f"{folder}: cannot be made ({error.strerror}): set EFFBENCH_CACHE to a folder that "
            "can be written"
        ) from error
    return folder
