"""One cell at a time per device, across processes: two that share one spoil both their figures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from effbench import files
from effbench.machine import nvml

if TYPE_CHECKING:
    import torch


@contextmanager
def held(device: torch.device, on_wait: Callable[[], None] = lambda: None) -> Iterator[bool | None]:
    """Hold a device while the context lasts; gives whether no other cell of this user is on it.

    A GPU is waited for, after a call of `on_wait`. A CPU is not: other programs use it anyway, so
    the answer is all there is. The system drops the lock of a process that dies. Where no lock can
    be written, nobody can tell: the answer is None, and why goes to the log.
    """
    lock = FileLock(lock_folder() / f"{_name(device)}.lock")
    try:
        lock_folder().mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:  # an OSError as well
        if device.type == "cuda":
            on_wait()
            lock.acquire(timeout=-1)
    except OSError as error:
        print(f"no lock: {unwritable(error)}", file=sys.stderr)
        yield None
        return
    try:
        yield lock.is_locked
    finally:
        lock.release()  # does nothing to a lock that is not held


def _name(device: torch.device) -> str:
    """Return a name that stays the same whatever CUDA_VISIBLE_DEVICES numbers the GPUs."""
    return nvml.device_uuid(device) if device.type == "cuda" else device.type


def lock_folder() -> Path:
    """Return where locks are: `locks` in EFFBENCH_CACHE, or in the user's cache folder."""
    return files.cache_folder() / "locks"


def unwritable(error: OSError) -> str:
    """Say that locks cannot be written, why, and what that costs."""
    return (
        f"{lock_folder()} cannot be written ({error.strerror or error}), so that cells cannot tell "
        "whether others run beside them: set EFFBENCH_CACHE to a folder that can be written"
    )
