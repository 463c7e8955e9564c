"""Processors that a cell has to itself: chosen by locks, kept by affinity.

A lock is a file per processor in the folder of `device_lock`; the system drops those of a process
that dies. Cells of any run of this user on this machine see each other's. Where a system has no
affinity (macOS), a claim is a number of threads and no more.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from effbench.errors import ConfigError
from effbench.machine import device_lock, environment

_RETRY_S = 0.5
_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass
class Claim:
    """Processors, by the numbers the system gives them, until `release`."""

    cores: tuple[int, ...]
    _locks: Sequence[FileLock] = ()

    def release(self) -> None:
        """Let others have them."""
        for lock in self._locks:
            lock.release()


def mine() -> frozenset[int]:
    """Return the processors that this thread may run on; all, where a system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def in_order(cores: frozenset[int], topology: Path = _TOPOLOGY) -> list[int]:
    """Return processors in the order in which they are claimed: one of each core first, then the
    second hardware thread of each, which shares the core's units with the first."""
    return sorted(cores, key=lambda core: (_place_in_core(core, topology), core))


def claim(threads: int) -> Claim | None:
    """Take so many processors for a cell; None if too few are free now.

    Raises ConfigError if this process has fewer than that even when all are free; OSError where no
    lock can be written.
    """
    wanted = in_order(mine())
    check_room(threads, 1)
    folder = device_lock.lock_folder()
    folder.mkdir(parents=True, exist_ok=True)
    taken = Claim((), locks := [])
    for core in wanted:
        lock = FileLock(folder / f"{device_lock.host()}-core-{core}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        locks.append(lock)
        taken.cores += (core,)
        if len(locks) == threads:
            return taken
    taken.release()
    return None


def wait_for(threads: int, on_wait: Callable[[], None] = lambda: None) -> Claim:
    """Return `claim`, once there is one; `on_wait` is called each time that there is none."""
    while True:
        found = claim(threads)
        if found is not None:
            return found
        on_wait()
        time.sleep(_RETRY_S)


def check_room(threads: int, jobs: int) -> None:
    """Raise ConfigError if `jobs` cells of so many threads are more than this process may run."""
    there = environment.usable_threads()
    if threads * jobs > there:
        each = f"{threads} thread{'s' if threads > 1 else ''}"
        cells = f"{jobs} cells at once, of {each} each," if jobs > 1 else f"a cell of {each}"
        raise ConfigError(
            f"{cells} would share this machine's {there} processors, and times would mean nothing: "
            "ask for fewer --jobs or --threads"
        )


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Bind this thread to processors while the context lasts: processes that it starts stay there.

    An empty sequence binds nothing; nor does a system without affinity.
    """
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:  # a container that was given other processors meanwhile
        print(f"not bound to processors {list(cores)}: {error}", file=sys.stderr)
        yield
        return
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _place_in_core(core: int, topology: Path) -> int:
    """Return which of its core's hardware threads a processor is, from 0."""
    try:
        text = (topology / f"cpu{core}/topology/thread_siblings_list").read_text(encoding="ascii")
        return sorted(_numbers(text)).index(core)
    except (OSError, ValueError):
        return 0


def _numbers(text: str) -> Iterator[int]:
    """Yield the numbers of a list as the kernel writes it: "0-1,8"."""
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
