"""What the GPU programs share: whether there is one, and timing by its own clock."""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import torch

from effbench.machine import breakdown, cuda_build

NO_GPU = "no CUDA device: torch {version} sees none, so nothing was {done}"
_WARM_UP = 3  # calls of a contender before it is timed
_AHEAD = 2.0  # times the host's time for a launch: it varies


def demand_gpu(done: str) -> torch.device:
    """Return the current CUDA device, or end the program with one line and status 1."""
    if not torch.cuda.is_available():
        reason = cuda_build.why_unseen()
        known = NO_GPU.format(version=torch.__version__, done=done)
        sys.exit(f"{known}; {reason}" if reason else known)
    return torch.device("cuda", torch.cuda.current_device())


class Timing(TypedDict):
    """Median milliseconds on the device. ms: of the kernels alone; with_launch_ms: from an idle
    device on, so that the time in which it waits for the host's launches counts too."""

    ms: float
    with_launch_ms: float


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    """Return the median time of `run`'s kernels on the device, over `rounds` calls."""
    return compare({"": run}, rounds)[""]["ms"]


def compare(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Return what each contender takes without and with its launches."""
    with_launch = alternate(contenders, rounds)
    alone = alternate(
        contenders, rounds, ahead_ms=_AHEAD * max(map(launch_ms, contenders.values()))
    )
    return {name: Timing(ms=alone[name], with_launch_ms=with_launch[name]) for name in contenders}


def alternate(
    contenders: Mapping[str, Callable[[], object]], rounds: int, ahead_ms: float = 0.0
) -> dict[str, float]:
    """Return each contender's median milliseconds; they take turns, so that a clock that slows
    down does so for all. Launch gaps inside a call count, unless the device is kept busy before
    for the `ahead_ms` that the host needs to launch all of it."""
    for run in contenders.values():
        for _ in range(_WARM_UP):
            run()
    cycles = int(ahead_ms * cycles_per_ms()) if ahead_ms else 0
    marks: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for name, run in contenders.items():
            begin, end = breakdown.event(), breakdown.event()
            torch.cuda.synchronize()
            if cycles:
                torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
            begin.record()
            run()
            end.record()
            marks[name].append((begin, end))
    torch.cuda.synchronize()
    return {
        name: statistics.median(begin.elapsed_time(end) for begin, end in pairs)
        for name, pairs in marks.items()
    }


def launch_ms(run: Callable[[], object]) -> float:
    """Return the milliseconds that the host needs to launch what `run` launches."""
    run()
    torch.cuda.synchronize()
    began = time.perf_counter()
    run()
    taken = time.perf_counter() - began
    torch.cuda.synchronize()
    return 1e3 * taken


def cycles_per_ms(cycles: int = 10_000_000) -> float:
    """Return how many cycles of torch's sleep take a millisecond at the clock of now."""
    begin, end = breakdown.event(), breakdown.event()
    # the first one loads the kernel
    torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
    begin.record()
    torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
    end.record()
    torch.cuda.synchronize()
    taken: float = begin.elapsed_time(end)
    return cycles / taken
