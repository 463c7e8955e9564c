"""Where the time of an Instant-NGP iteration goes."""

from __future__ import annotations

import time
from typing import Any

import torch

import effbench.kernels.cpu.hash_encoding as cpu_hash
from bench.timing import Breakdown
from effbench.nerf.training import RadianceFieldMethod, learning


def measure(method: RadianceFieldMethod, warmup: int, iterations: int) -> dict[str, float]:
    """Return milliseconds per iteration and part, "other" and "total" included.

    The timers are Python calls: they read right on a CPU only, where nothing is asynchronous.
    """
    for _ in range(warmup):
        method.step(0.3)
    parts = Breakdown()
    sampler: Any = method.sampler
    parts.wrap(method.pixels, "sample", "rays")
    parts.wrap(sampler, "place", "samples worth training on")
    parts.wrap(sampler, "update", "occupancy")
    parts.wrap(method.field, "encode", "encode forward")
    parts.wrap(method.field, "density", "density network")
    parts.wrap(method.field, "color", "colour network")
    parts.wrap(learning, "composite", "volume rendering")
    parts.wrap(torch.Tensor, "backward", "networks backward")
    parts.wrap(cpu_hash, "backward", "encode backward")
    parts.wrap(method.optimizer, "step", "optimiser")
    started = time.perf_counter()
    for _ in range(iterations):
        method.step(0.3)
    total = time.perf_counter() - started
    shares = {name: 1e3 * s / iterations for name, s in parts.seconds.items()}
    shares["other"] = 1e3 * total / iterations - sum(shares.values())
    return dict(sorted(shares.items(), key=lambda item: -item[1])) | {
        "total": 1e3 * total / iterations
    }
