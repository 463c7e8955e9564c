"""A training step in buffers of fixed size: nothing is read from the device, so it can be recorded.

Notation: R rays fit in the buffers, n of them are active, the first c of these are complete: all
of their samples found room. Only complete rays count in the loss, so that a tail of unused slots,
rays beyond n and rays that were cut off contribute nothing. Sizes follow the need
(`effbench.nerf.sampling.capacity`), told by the device two steps late.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.pixel_loss import pixel_loss
from effbench.kernels.steering import Limits, Step, steer
from effbench.method import Context
from effbench.method.spans import OPTIMISER, PLACING, RAYS, span
from effbench.nerf.fields import RadianceField
from effbench.nerf.fields.environment import Environment
from effbench.nerf.sampling import OccupancySampler, Sampler
from effbench.nerf.sampling.capacity import Capacity, Need, choose, most_marched
from effbench.nerf.sampling.rays import Rays, TrainingPixels
from effbench.nerf.sampling.sampler import PaddedSamples
from effbench.nerf.training.echo import Echo
from effbench.nerf.training.graphs import CudaRecorder, Recorder, StepGraphs
from effbench.nerf.training.learning import Batch, Learner, Loss, Outcome
from effbench.nerf.training.options import TrainingOptions

_MARCHED_FILL = 0.9  # of the largest buffer for samples before compaction, at which n stops growing


class Trainee(Protocol):
    """What a step needs of the method that it trains (`RadianceFieldMethod`)."""

    generator: torch.Generator
    iteration: int

    @property
    def context(self) -> Context: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def library(self) -> str: ...
    @property
    def options(self) -> TrainingOptions: ...
    @property
    def field(self) -> RadianceField: ...
    @property
    def sampler(self) -> Sampler: ...
    @property
    def pixels(self) -> TrainingPixels: ...
    @property
    def learner(self) -> Learner: ...
    @property
    def optimizer(self) -> torch.optim.Optimizer: ...
    @property
    def environment(self) -> Environment | None: ...

    @property
    def loss(self) -> Loss: ...

    def matched(
        self, rays: Rays, pixels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]: ...
    def set_generator(self, generator: torch.Generator) -> None: ...


class FixedStep:
    """The step of a method with an occupancy grid, recorded as a CUDA graph where that works."""

    def __init__(
        self,
        method: Trainee,
        first_rays: int,
        most_rays: int,
        recorder: Recorder | None = None,
    ) -> None:
        """recorder: None for the device's own; a CPU has none."""
        assert isinstance(method.sampler, OccupancySampler)
        # a method owns its step: would that own the method, the memory of both waited for gc
        self.method: Trainee = weakref.proxy(method)
        self.sampler = method.sampler
        self._samples, self._most_rays = method.options.samples, most_rays
        device = method.device
        most = int(_MARCHED_FILL * most_marched(self._samples))
        self._limits = Limits(self._samples, most, most_rays)
        self.rays = torch.full((), first_rays, dtype=torch.int64, device=device)  # n
        self._echo = Echo([first_rays, self._samples, 2 * self._samples, 0], device)
        if recorder is None and device.type == "cuda":
            recorder = _recorder(self.method, device)
        self.graphs = StepGraphs(recorder, "" if recorder else "a CPU records nothing")
        self.names: tuple[str, ...] = ()  # of what a step reports, known after the first
        self._values = torch.empty(0)  # float32 [names], of the last step
        self._counts = torch.zeros(4, dtype=torch.int64, device=device)  # for the echo
        if device.type == "cuda":
            _keep_rates_on_device(method.optimizer, device)

    def step(self) -> Tensor:
        """Do one step; return what it reports, by `names`, float32 on the device, until the next
        step does."""
        capacity = self.capacity()
        self.method.pixels.refresh()
        self.graphs.run(capacity, lambda: self.work(capacity))
        self._echo.send(self._counts)
        self.method.pixels.observed()
        return self._values

    def capacity(self) -> Capacity:
        """Return the sizes of the next step's buffers."""
        rays, marched, drawn, _ = self._echo.read()
        need = Need(rays, marched, drawn)
        return choose(self._samples, need, self._most_rays, self.sampler.compacts)

    def counts(self) -> tuple[int, int]:
        """Return the rays of the next step and the samples of the last; waits for the device."""
        rays, _, _, samples = self._echo.latest()
        return rays, samples

    def facts(self) -> dict[str, Any]:
        capacity = self.capacity()
        return {"step": "fixed", "capacity": vars(capacity), **self.graphs.facts()}

    def work(self, capacity: Capacity) -> None:
        """Do the part of a step that is the device's alone."""
        method = self.method
        with span(RAYS):
            drawn, pixels = method.pixels.sample(capacity.rays, method.generator)
        target, background = method.matched(drawn, pixels, method.generator)
        with span(PLACING):
            filled = self.sampler.place_within(
                drawn, self.rays, method.field, method.generator, capacity
            )
        complete, c = filled.complete, filled.complete.sum()

        def loss(color: Tensor, target: Tensor) -> Tensor:
            kind, backend = method.options.loss, self.sampler.backend
            return pixel_loss(color, target, complete, c, kind, backend)

        method.optimizer.zero_grad(set_to_none=True)
        batch = Batch(drawn, filled.placed, target, background)
        outcome = method.learner.backward_within(
            method.field, self.sampler, batch, loss, capacity.drawn
        )
        with span(OPTIMISER):
            method.optimizer.step()
        method.optimizer.zero_grad(set_to_none=True)  # a recording's gradients are its own
        method.pixels.observe(outcome.color, target, complete)
        self._report(c, filled, outcome)

    def _report(self, complete: Tensor, filled: PaddedSamples, outcome: Outcome) -> None:
        """Steer the rays; leave figures for the log and counts for the host in their places."""
        figures = outcome.figures
        if not self.names:
            self.names = ("loss", "rays", "samples", *figures, "dropped")
            self._values = torch.zeros(len(self.names), device=complete.device)
        step = Step(
            complete,
            filled.marched,
            filled.placed.samples.offsets,
            outcome.loss,
            outcome.wanted,
            torch.stack([x.float() for x in figures.values()]) if figures else None,
        )
        steer(self.rays, step, self._limits, self._counts, self._values, self.sampler.backend)


def _recorder(method: Trainee, device: torch.device) -> CudaRecorder:
    """Return what records steps on a device, drawing from the method's generator."""

    def renew() -> None:
        """Give the method random numbers that a failed recording has not touched."""
        seed = method.context.seed + 1_000_003 * (method.iteration + 1)
        method.set_generator(torch.Generator(device).manual_seed(seed))

    return CudaRecorder(device, lambda: method.generator, renew)


def fixed_step(method: Trainee, first_rays: int, most_rays: int) -> FixedStep | None:
    """Return the step in buffers of fixed size where a method's options ask for it, else None.

    Raises ConfigError where they ask for what its sampler does not have.
    """
    # a library sizes its buffers itself, out of a recording's sight
    possible = type(method.sampler) is OccupancySampler and not method.library
    asked = method.options.buffers
    if asked == "fixed" and not possible:
        raise ConfigError(
            f"buffers=fixed: {method.library or type(method.sampler).__name__} has no samples in "
            "buffers of fixed size: use buffers=auto, or effbench's own occupancy grid"
        )
    if not (method.pixels.recordable and method.field.recordable):
        if asked == "fixed":
            raise ConfigError(
                "buffers=fixed: what a recorded step reads must not change with the schedule or "
                "come from the host: use buffers=auto, or loading=preloaded and constant schedules"
            )
        possible = False
    if asked == "fixed" or (asked == "auto" and possible and method.device.type == "cuda"):
        return FixedStep(method, first_rays, most_rays)
    return None


def _keep_rates_on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Make the learning rates tensors, which a recorded step reads anew each time; groups of the
    same rate share one, which takes one launch to set."""
    rates: dict[float, Tensor] = {}
    for group in optimizer.param_groups:
        rate = float(group["lr"])
        group["lr"] = rates.setdefault(rate, torch.tensor(rate, device=device))
        if "capturable" in group:
            group["capturable"] = True
