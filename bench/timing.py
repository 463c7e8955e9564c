"""Timing that survives a busy machine: contenders take turns, and medians are compared."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping


def alternate(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each contender's median milliseconds over `rounds` turns, after one warm-up."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for run in contenders.values():
        run()
    for _ in range(rounds):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: 1e3 * statistics.median(times) for name, times in seconds.items()}
