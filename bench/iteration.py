"""Where the time of an Instant-NGP iteration goes."""

from __future__ import annotations

import time

from effbench import spans
from effbench.machine.breakdown import Breakdown
from effbench.nerf.training import RadianceFieldMethod


def measure(method: RadianceFieldMethod, warmup: int, iterations: int) -> dict[str, float]:
    """Return milliseconds per iteration and part of `effbench.spans`, "other" and "total" included.

    The timers are Python calls: they read right on a CPU only, where nothing is asynchronous.
    """
    for _ in range(warmup):
        method.step(0.3)
    parts = Breakdown()
    with spans.watched(parts.part):
        started = time.perf_counter()
        for _ in range(iterations):
            method.step(0.3)
        total = time.perf_counter() - started
    shares = {name: ms / iterations for name, ms in parts.milliseconds().items()}
    shares["other"] = 1e3 * total / iterations - sum(shares.values())
    return dict(sorted(shares.items(), key=lambda item: -item[1])) | {
        "total": 1e3 * total / iterations
    }
