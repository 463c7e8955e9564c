"""One cell at a time per device, across processes: two that share one spoil both their figures."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from effbench import files
from effbench.machine import nvml

if TYPE_CHECKING:
    import torch


_HELD = "EFFBENCH_HELD"  # environment: devices that a process above this one holds


class Presence:
    """This cell's place on a device, by which others of this user see it and are seen.

    A file that is locked while the cell lasts; the system drops the lock of a process that dies.
    Whoever comes later leaves a mark beside the files of those it finds, so that a cell learns of
    one that came and went.
    """

    def __init__(self, folder: Path, device: str) -> None:
        """Raises OSError where no lock can be written."""
        folder.mkdir(parents=True, exist_ok=True)
        self._pattern = f"{device}.*.here"
        self._path = folder / f"{device}.{os.getpid()}-{uuid.uuid4().hex[:8]}.here"
        self._met = self._path.with_suffix(".met")
        self._met.unlink(missing_ok=True)
        self._lock = FileLock(self._path, timeout=0)
        self._lock.acquire()
        self._others = self._look()
        for path in self._others:
            path.with_suffix(".met").touch()

    def alone(self) -> bool:
        """Whether no other cell has been on the device since this one came."""
        return not (self._others or self._met.exists() or self._look())

    def leave(self) -> None:
        """Give up the place."""
        self._lock.release()
        for path in (self._path, self._met):
            path.unlink(missing_ok=True)

    def _look(self) -> list[Path]:
        """Return the files of other cells that are there now; those of dead ones are removed."""
        found = []
        for path in self._path.parent.glob(self._pattern):
            if path == self._path:
                continue
            other = FileLock(path, timeout=0)
            try:
                other.acquire()
            except Timeout:
                found.append(path)
                continue
            other.release()
            for left in (path, path.with_suffix(".met")):
                left.unlink(missing_ok=True)
        return found


@contextmanager
def held(
    device: torch.device, on_wait: Callable[[], None] = lambda: None
) -> Iterator[Callable[[], bool | None]]:
    """Hold a device while the context lasts; gives what tells whether no other cell of this user
    has been on it so far.

    A GPU is waited for, after a call of `on_wait`, unless `held_for_children` holds it above. A CPU
    is not: other programs use it anyway, so the answer is all there is. The system drops the lock
    of a process that dies. Where no lock can be written, nobody can tell: the answer is None, and
    why goes to the log.
    """
    name = _name(device)
    lock = FileLock(lock_folder() / f"{name}.lock")
    try:
        if device.type == "cuda" and not _held_above(name):
            _wait(lock, on_wait)
        presence = Presence(lock_folder(), name)
    except OSError as error:
        print(f"no lock: {unwritable(error)}", file=sys.stderr)
        yield lambda: None
        return
    try:
        yield presence.alone
    finally:
        presence.leave()
        lock.release()  # does nothing to a lock that is not held


@contextmanager
def held_for_children(
    device: torch.device, on_wait: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold a GPU while the context lasts, for this process and those that it starts: their cells
    do not wait for it. Where no lock can be written, nobody waits for anybody."""
    name, before = _name(device), os.environ.get(_HELD, "")
    with held(device, on_wait):
        os.environ[_HELD] = f"{before},{name}"
        try:
            yield
        finally:
            os.environ[_HELD] = before


def _held_above(name: str) -> bool:
    return name in os.environ.get(_HELD, "").split(",")


def _wait(lock: FileLock, on_wait: Callable[[], None]) -> None:
    lock_folder().mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire(timeout=-1)


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
