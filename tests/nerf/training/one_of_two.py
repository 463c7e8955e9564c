"""Rank 1 of two in the tests of `test_parallel_step.py`: `python -m … RENDEZVOUS`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from effbench.machine.process_group import joined
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning import registry
from effbench.planning.planner import resolve
from tests.nerf_scene import SMALL, ball, context

TIMEOUT_S = 300.0  # a busy machine may have to compile what the other rank has compiled
STEPS = 6  # one update of the grid among them
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"background": "sphere", "images": "one"},
    {"compaction": "low-weight", "ema": 0.9, "sparse_adam": True},
)


def build(rank: int, ranks: int, **params: Any) -> RadianceFieldMethod:
    """Return a small hash field on the ball, with exact sums as far as floats have them."""
    cls = registry.discover().method("instant-ngp")
    few = {**SMALL, "precision": "fp32", "grid_every": 4}
    config, _ = resolve(cls, {**few, **params}, "cpu")
    method = cls(config, context(scene=ball(), rank=rank, ranks=ranks))
    assert isinstance(method, RadianceFieldMethod)
    return method


def steps(rank: int, ranks: int) -> list[tuple[list[torch.Tensor], list[float], list[int]]]:
    """Return, per variant, the first step's gradients, and the losses and ray counts of STEPS."""
    found = []
    for params in VARIANTS:
        method = build(rank, ranks, **params)
        losses, rays, gradients = [], [], []
        for step in range(STEPS):
            rays.append(method.ray_count)
            losses.append(float(method.step(0.0)))
            if not step:
                trained = [p.grad for p in method.parameters() if p.grad is not None]
                gradients = [gradient.clone() for gradient in trained]
        found.append((gradients, losses, rays))
    return found


if __name__ == "__main__":
    with joined(1, 2, torch.device("cpu"), Path(sys.argv[1]), TIMEOUT_S):
        steps(1, 2)
        spoilt = build(1, 2)
        spoilt.sampler.grid.bits[0] = 0  # type: ignore[attr-defined]
        try:
            spoilt.step(0.0)
        except Exception as error:
            print(error)
