"""The training loop: steps under a budget, with points on a curve outside the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from effbench.cell.clock import Clock
from effbench.cell.device_timer import DeviceTimer
from effbench.errors import Diverged
from effbench.method import Method
from effbench.method.budget import Budget

if TYPE_CHECKING:
    import torch

CURVE_FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CURVE_SECONDS = (5, 10, 20, 30, 60, 120, 300, 480)  # as well, where the budget is longer
Snapshot = Mapping[str, "torch.Tensor"]  # what Method.snapshot returns
_CHECK_LOSS_EVERY = 16  # reading the loss costs a transfer on a GPU, nothing on a CPU


@dataclass(frozen=True)
class Point:
    """Where training stands when the curve gets a point: counted seconds, iterations, loss."""

    fraction: float
    train_s: float
    iteration: int
    loss: float


@dataclass
class TrainLog:
    """What the loop measured. `step_s` holds each step's synchronised duration in seconds, and
    `device_s` what of it a CUDA device took by its own clock, of the steps since a resumption;
    `overhead_s` is the loop's wall time that was neither step nor point."""

    train_s: float = 0.0
    iterations: int = 0
    overshoot_s: float = 0.0
    overhead_s: float = 0.0
    step_s: list[float] = field(default_factory=list)
    device_s: list[float] = field(default_factory=list)


def point_fractions(budget: Budget) -> tuple[float, ...]:
    """Return the fractions of a budget at which a curve gets a point, ascending."""
    total = budget.seconds or 0
    return tuple(sorted({*CURVE_FRACTIONS, *(s / total for s in CURVE_SECONDS if s < total)}))


def train(
    method: Method,
    budget: Budget,
    clock: Clock,
    on_point: Callable[[Point], None],
    fractions: Sequence[float] = CURVE_FRACTIONS,
    keep: Callable[[Snapshot, TrainLog], None] | None = None,
    log: TrainLog | None = None,
    announce: Callable[[float], None] = lambda _: None,
    timer: DeviceTimer | None = None,
) -> TrainLog:
    """Step `method` until `budget` is spent, calling `on_point` with the clock paused.

    The clock is read after every step, so a budget is overshot by at most one step; that is the
    one time in a step that the host waits for the device, but for a loss that it looks at. A method
    that does not train takes no step and has one point, without a loss.
    keep: called with the method's snapshots, the clock paused; log: of the training that this one
    goes on with, whose time `clock` has counted already; announce: called with the progress of
    every step before it; timer: of the device's clock, if it has one. Raises Diverged when the loss
    is not finite.
    """
    log = log or TrainLog()
    if not method.trains:
        on_point(Point(1.0, 0.0, 0, math.nan))
        return log
    earlier = sum(log.step_s)
    spent = budget.progress(log.train_s, log.iterations)
    pending = [fraction for fraction in fractions if fraction > spent]
    in_points = 0.0
    began = time.perf_counter()
    clock.start()
    while (progress := budget.progress(log.train_s, log.iterations)) < 1:
        before = clock.glance()  # the device is idle since the last reading
        announce(progress)
        with timer.step() if timer else nullcontext():
            loss = method.step(progress)
        log.train_s = clock.read()
        log.step_s.append(log.train_s - before)
        if timer:
            log.device_s.append(timer.seconds())
        log.iterations += 1
        done = budget.progress(log.train_s, log.iterations)
        due = [f for f in pending if f <= done]
        if due or done >= 1 or log.iterations % _CHECK_LOSS_EVERY == 0:
            value = float(loss)
            if not math.isfinite(value):
                raise Diverged(f"the loss is {value} after {log.iterations} iterations")
        if due:  # one step may pass several fractions of a tiny budget: the last is drawn
            pending = pending[len(due) :]
            with clock.paused():
                paused_at = time.perf_counter()
                on_point(Point(due[-1], log.train_s, log.iterations, value))
                in_points += time.perf_counter() - paused_at
        if keep is not None and (snapshot := method.snapshot()) is not None:
            with clock.paused():
                paused_at = time.perf_counter()
                keep(snapshot, log)
                in_points += time.perf_counter() - paused_at
    clock.pause()
    log.overhead_s = time.perf_counter() - began - in_points - (sum(log.step_s) - earlier)
    if budget.seconds is not None:
        log.overshoot_s = log.train_s - budget.seconds
    return log
