"""How busy the processors and the device are while something runs, looked at by a thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from effbench.machine.nvml import Gpu

EVERY_S = 0.25  # a look takes well under a millisecond
MOST_POINTS = 200


@dataclass
class Utilisation:
    """Looks at the machine, one after the other, each of the time since the one before.

    t_s: seconds from the beginning; cores: by number, the part of the time in which a processor
    that this process may use was busy with anything; process: processors that this process kept
    busy; device: the GPU's by its driver, empty where it does not say.
    """

    t_s: list[float] = field(default_factory=list)
    cores: dict[str, list[float]] = field(default_factory=dict)
    process: list[float] = field(default_factory=list)
    device: list[float] = field(default_factory=list)

    def thinned(self, most: int = MOST_POINTS) -> dict[str, Any]:
        """Return the fields, neighbours averaged until there are no more than `most` of them."""
        per = max(1, -(-len(self.t_s) // most))
        return {
            "t_s": [round(t, 3) for t in self.t_s[per - 1 :: per]],
            "cores": {name: averaged(values, per) for name, values in self.cores.items()},
            "process": averaged(self.process, per),
            "device": averaged(self.device, per),
        }


def averaged(values: Sequence[float], per: int) -> list[float]:
    """Return the means of `per` neighbours each, rounded; what is left over at the end is not
    one."""
    whole = len(values) // per * per
    groups = (values[start : start + per] for start in range(0, whole, per))
    return [round(sum(group) / per, 3) for group in groups]


@contextmanager
def looked_at(gpu: Gpu | None = None, every_s: float = EVERY_S) -> Iterator[Utilisation]:
    """Look at the machine every `every_s` seconds while this lasts, and at its end, unless a look
    was just before: of a moment the system's clocks tell nothing."""
    found = Utilisation()
    look = _looker(found, gpu)
    over = threading.Event()

    def watch() -> None:
        looked = time.perf_counter()
        while not over.wait(every_s):
            look()
            looked = time.perf_counter()
        if not found.t_s or time.perf_counter() - looked > every_s / 2:
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _looker(found: Utilisation, gpu: Gpu | None) -> Callable[[], None]:
    """Return what adds a look to `found`."""
    usable = _usable()
    began = last = time.perf_counter()
    cores, own = psutil.cpu_times(percpu=True), time.process_time()

    def look() -> None:
        nonlocal last, cores, own
        now, times, used = time.perf_counter(), psutil.cpu_times(percpu=True), time.process_time()
        found.t_s.append(now - began)
        for core in usable:
            found.cores.setdefault(str(core), []).append(busy(cores[core], times[core]))
        found.process.append((used - own) / max(now - last, 1e-9))
        load = gpu.utilisation() if gpu else None
        if load is not None:
            found.device.append(load)
        last, cores, own = now, times, used

    return look


def busy(before: Any, after: Any) -> float:
    """Return the part of the time between two of psutil's `cpu_times` of one processor in which it
    did something, 0 where its clock has not moved on."""
    # Linux counts the time of guests in `user` and `nice` as well
    spent = {
        name: max(0.0, getattr(after, name) - getattr(before, name))
        for name in after._fields
        if name not in ("guest", "guest_nice")
    }
    total = sum(spent.values())
    idle = spent.get("idle", 0.0) + spent.get("iowait", 0.0)
    return 1 - idle / total if total > 0 else 0.0


def _usable() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    known = len(psutil.cpu_times(percpu=True))
    if hasattr(os, "sched_getaffinity"):
        return [core for core in sorted(os.sched_getaffinity(0)) if core < known]
    return list(range(known))
