"""One cell at a time per device, across processes: two that share one spoil both their figures."""

from __future__ import annotations

import os
import platform
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
_PARTS = 4  # dots in the name of a presence: machine, device, processors, process


class Presence:
    """This cell's place on a device, by which others of this user see it and are seen.

    A file that is locked while the cell lasts; the system drops the lock of a process that dies.
    Whoever comes later leaves a mark beside the files of those it finds, so that a cell learns of
    one that came and went. Its name tells the device and, on a CPU, the processors that the cell
    is bound to: cells on others are neighbours, which share the memory but no processor.
    """

    def __init__(self, folder: Path, device: str, processors: frozenset[int] = frozenset()) -> None:
        """Raises OSError where no lock can be written."""
        folder.mkdir(parents=True, exist_ok=True)
        self._where = device, sum(1 << number for number in processors)
        name = f"{device}.{self._where[1]:x}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._path = folder / f"{host()}.{name}.here"
        self._lock = FileLock(self._path, timeout=0)
        self._lock.acquire()
        self._met: set[Path] = set()
        self._beside = 0
        self._look()
        for path in self._found:
            path.with_suffix(".met" if self._shares(path) else ".beside").touch()

    def alone(self) -> bool | None:
        """Whether no other cell has been on the device, or on the processors, since this one came;
        None where nobody can tell."""
        self._look()
        return not (self._met or self._path.with_suffix(".met").exists())

    def neighbours(self) -> int | None:
        """Return how many other cells, at least, have been at work at once on other devices or
        processors of this machine since this one came; None where nobody can tell."""
        self._look()
        came = self._path.with_suffix(".beside").exists()
        return max(self._beside, int(came))

    def leave(self) -> None:
        """Give up the place."""
        self._lock.release()
        self._remove(self._path)

    def _shares(self, path: Path) -> bool:
        """Whether the cell of a file is on this one's device, and on processors of this one's."""
        _, device, mask, _ = path.name.removesuffix(".here").split(".")
        own, processors = self._where
        return device == own and (int(mask, 16) & processors > 0 or not processors)

    def _look(self) -> None:
        """See which cells are there now; files of dead ones are removed."""
        self._found = [
            path for path in self._path.parent.glob(f"{host()}.*.here") if self._lives(path)
        ]
        sharing = {path for path in self._found if self._shares(path)}
        self._met |= sharing
        self._beside = max(self._beside, len(self._found) - len(sharing))

    def _lives(self, path: Path) -> bool:
        if path == self._path or path.name.count(".") != _PARTS:  # its own, or an older effbench's
            return False
        other = FileLock(path, timeout=0)
        try:
            other.acquire()
        except Timeout:
            return True
        other.release()
        self._remove(path)
        return False

    @staticmethod
    def _remove(path: Path) -> None:
        for left in (path, path.with_suffix(".met"), path.with_suffix(".beside")):
            left.unlink(missing_ok=True)


class Unseen:
    """The place of a cell where no lock can be written: nobody can tell who else was there."""

    def alone(self) -> None:
        """Return None."""

    def neighbours(self) -> None:
        """Return None."""


@contextmanager
def held(
    device: torch.device, on_wait: Callable[[], None] = lambda: None
) -> Iterator[Presence | Unseen]:
    """Hold a device while the context lasts; gives what tells which other cells of this user have
    been on it, or beside it, so far.

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
        presence = Presence(lock_folder(), name, _processors(device))
    except OSError as error:
        print(f"no lock: {unwritable(error)}", file=sys.stderr)
        yield Unseen()
        return
    try:
        yield presence
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


def _processors(device: torch.device) -> frozenset[int]:
    """Return the processors that a cell on the CPU may use; none for a GPU's, or where the system
    does not say: such a cell shares the device with every other."""
    if device.type != "cpu" or not hasattr(os, "sched_getaffinity"):
        return frozenset()
    return frozenset(os.sched_getaffinity(0))


def host() -> str:
    """Return a name of this machine for files in `lock_folder`, which several may share."""
    return files.slug(platform.node())


def lock_folder() -> Path:
    """Return where locks are: `locks` in EFFBENCH_CACHE, or in the user's cache folder."""
    return files.cache_folder() / "locks"


def unwritable(error: OSError) -> str:
    """Say that locks cannot be written, why, and what that costs."""
    return (
        f"{lock_folder()} cannot be written ({error.strerror or error}), so that cells cannot tell "
        "whether others run beside them: set EFFBENCH_CACHE to a folder that can be written"
    )
