"""Steering the ray count of steps in buffers of fixed size, and their report, on the device.

Notation: n rays are active, of at most R that there is room for; the first c are complete: all of
their samples found room, m of them before compaction and k after. B: samples that a step is to
have. F figures of a learner's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.kernels.backends import resolve

LEAST_RAYS = 64


@dataclass(frozen=True)
class Limits:
    """samples: B; marched: samples before compaction that a step has room for, which limits n as
    well; rays: the most."""

    samples: int
    marched: int
    rays: int


@dataclass(frozen=True)
class Step:
    """What a step says of itself, all of it on the device.

    complete: int64 0-d, c; marched, kept: int64 [R + 1], the offsets of its rays' samples before
    and after compaction; loss: float32 0-d; wanted: float32 0-d, how many samples a learner that
    chooses would choose, None for one that does not; figures: float32 [F], or None.
    """

    complete: Tensor
    marched: Tensor
    kept: Tensor
    loss: Tensor
    wanted: Tensor | None = None
    figures: Tensor | None = None


def steer(
    rays: Tensor, step: Step, limits: Limits, counts: Tensor, values: Tensor, backend: str = "auto"
) -> None:
    """Set the ray count `rays` (int64 0-d, n) to that of the next step, n ← c·B / k, at most
    doubled or halved, and write what the host is told.

    counts: int64 [4], the next step's rays, the samples before compaction and those drawn that it
    is expected to need (2·B where a learner does not choose: more than any buffer holds), and k.
    values: float32 [4 + F], loss, min(n, R), k, figures, and the share of rays that were dropped.
    """
    if resolve(backend, rays.device) != "triton":
        steer_reference(rays, step, limits, counts, values)
        return
    from effbench.kernels.gpu import steering as gpu

    about = (step.complete, step.marched, step.kept, step.loss, step.wanted, step.figures)
    room = (limits.samples, limits.marched, LEAST_RAYS, limits.rays)
    gpu.steer(rays, *about, *room, counts, values)


def steer_reference(
    rays: Tensor, step: Step, limits: Limits, counts: Tensor, values: Tensor
) -> None:
    """The definition in eager torch."""
    c = step.complete
    n = rays.clamp_max(len(step.kept) - 1)
    marched, kept = (x.index_select(0, c.view(1))[0] for x in (step.marched, step.kept))
    room = torch.minimum(
        limits.samples / kept.clamp_min(1).double(), limits.marched / marched.clamp_min(1).double()
    )
    wanted = torch.clamp(c * room, n / 2, n * 2.0)
    rays.copy_(wanted.long().clamp(LEAST_RAYS, limits.rays))
    growth = rays / n.clamp_min(1).double()
    drawn = torch.full_like(n, 2 * limits.samples)
    if step.wanted is not None:
        drawn = (growth * step.wanted).nan_to_num(0, 0, 0).long()
    # what all of the next step's rays will need, by what the complete ones did
    future = (growth * n / c.clamp_min(1) * marched).long()
    counts.copy_(torch.stack([rays, future, drawn, kept]))
    first = torch.stack([step.loss, n.float(), kept.float()])
    dropped = 1 - c / n.clamp_min(1)
    figures = [] if step.figures is None else [step.figures]
    values.copy_(torch.cat([first, *figures, dropped[None]]))
