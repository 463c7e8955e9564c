"""Learners: how one step turns placed samples into gradients of a field."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from effbench.kernels.pixel_loss import PixelLoss
from effbench.kernels.shading import shading_loss
from effbench.kernels.volume_rendering import composite
from effbench.method.spans import BACKWARD, COLOUR, DENSITY, ENCODING, RENDERING, SHADING, span
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling import EncodedSamples, Sampler
from effbench.nerf.sampling.rays import Rays

Composite = Callable[[Tensor, Tensor, Tensor, Tensor, str], tuple[Tensor, Tensor]]
_PARTS = 4  # of a batch whose networks are evaluated again
Loss = Callable[[Tensor, Tensor], Tensor]  # colours and targets, both [R, 3], to a mean (0-d)


@dataclass(frozen=True)
class Batch:
    """The samples of one step on R rays; target and background: float32 [R, 3]; a background with
    a gradient is learnt."""

    rays: Rays
    placed: EncodedSamples
    target: Tensor
    background: Tensor


@dataclass(frozen=True)
class Outcome:
    """What a step saw, detached: its loss (0-d), the colour of its rays (float32 [R, 3]), figures
    of the learner's own by name (0-d, on the device: reading one would synchronise), and how many
    samples a learner that chooses would choose, had it the room (0-d)."""

    loss: Tensor
    color: Tensor
    figures: Mapping[str, Tensor] = field(default_factory=dict)
    wanted: Tensor | None = None


class Learner(ABC):
    """Adds the gradient of a batch's loss to a field's, and a sampler's, parameters.

    composite: what renders in the place of `effbench.kernels.volume_rendering.composite`.
    """

    composite: Composite | None = None

    @abstractmethod
    def backward(self, model: RadianceField, sampler: Sampler, batch: Batch, loss: Loss) -> Outcome:
        """Accumulate the gradients; without samples there are none."""

    def backward_within(
        self, model: RadianceField, sampler: Sampler, batch: Batch, loss: Loss, drawn: int
    ) -> Outcome:
        """Do as `backward` does with samples in buffers of fixed size, reading nothing from the
        device. drawn: the most samples that a learner which chooses may differentiate through.
        Default: all samples, the tail's gradients are zero."""
        return self.backward(model, sampler, batch, loss)

    def facts(self) -> Mapping[str, Any]:
        """Return what a record should say of the learner. Default: nothing."""
        return {}

    def set_generator(self, generator: torch.Generator) -> None:  # noqa: B027
        """Draw random numbers from `generator` from now on. Default: none are drawn."""


class FullLearner(Learner):
    """Differentiates through every sample: what everyone does."""

    def __init__(self, backend: str, *, checkpointing: bool = False, parts: bool = False) -> None:
        """checkpointing: keep nothing of the networks for the backward pass, and evaluate them
        again there, a part of the samples at a time; parts: never take networks and rendering as
        one."""
        self.backend, self.parts = backend, parts
        self.evaluate = evaluate_in_parts if checkpointing else evaluate
        self._in_parts: str | None = None  # why; "" for one kernel, None before the first step

    def backward(self, model: RadianceField, sampler: Sampler, batch: Batch, loss: Loss) -> Outcome:
        if not len(batch.placed.samples):
            return nothing_met(batch, loss)
        total, outcome = self.forward(model, sampler, batch, loss)
        with span(BACKWARD):
            total.backward()  # type: ignore[no-untyped-call]
        return outcome

    def forward(
        self, model: RadianceField, sampler: Sampler, batch: Batch, loss: Loss
    ) -> tuple[Tensor, Outcome]:
        """Return what a batch with samples is differentiated for (0-d), and its outcome."""
        self._in_parts = self._why_in_parts(model, batch, loss)
        if self._in_parts:
            value, pixels, optical_depth = self._parts(model, batch, loss)
        else:
            assert isinstance(loss, PixelLoss)
            value, pixels, optical_depth = self._whole(model, batch, loss)
        auxiliary = sampler.loss(batch.placed, optical_depth.detach())
        total = value if auxiliary is None else value + auxiliary
        return total, Outcome(value.detach(), pixels.detach())

    def facts(self) -> Mapping[str, Any]:
        if self._in_parts is None:
            return {}
        return {"shading": f"in parts: {self._in_parts}" if self._in_parts else "one kernel"}

    def _why_in_parts(self, model: RadianceField, batch: Batch, loss: Loss) -> str:
        """Return why networks, rendering and loss are not one kernel; "" if they are."""
        if not isinstance(loss, PixelLoss):
            return "another loss"
        if self.parts:
            return "asked for"
        if self.composite is not None:
            return "a library renders"
        if self.evaluate is not evaluate:
            return "networks are evaluated again"
        return (
            "their outputs are known" if batch.placed.known is not None else model.why_not_whole()
        )

    def _whole(
        self, model: RadianceField, batch: Batch, loss: PixelLoss
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, the colours of rays [R, 3] and the optical depth of samples [N]."""
        samples, plain = batch.placed.samples, model.plain()
        assert plain is not None
        directions = model.encode_directions(batch.rays.directions)
        with span(ENCODING):
            times = batch.rays.times_of(samples.rays)
            encoded = model.encode_at(samples.positions, times, batch.placed.encoded)
        along = (directions, samples.deltas, samples.offsets, batch.background, batch.target)
        networks = (plain.density, plain.color)
        with span(SHADING):
            return shading_loss(encoded, *along, loss, *networks, self.backend)

    def _parts(
        self, model: RadianceField, batch: Batch, loss: Loss
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Do as `_whole` does, one after the other."""
        samples = batch.placed.samples
        density, color = self.evaluate(model, batch)
        optical_depth = density * samples.deltas
        render = self.composite or composite
        along = (samples.offsets, batch.background, self.backend)
        with span(RENDERING):
            pixels, _ = render(optical_depth, color, *along)
        return loss(pixels, batch.target), pixels, optical_depth


def nothing_met(batch: Batch, loss: Loss) -> Outcome:
    """Return the outcome of a batch without a sample: every ray shows what is behind it."""
    value = loss(batch.background, batch.target)
    if value.requires_grad:
        with span(BACKWARD):
            value.backward()  # type: ignore[no-untyped-call]
    return Outcome(value.detach(), batch.background.detach())


def encode(model: RadianceField, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the encoded positions [N, E] and directions [N, D] of a batch's samples."""
    samples = batch.placed.samples
    directions = model.encode_directions(batch.rays.directions)
    with span(ENCODING):
        times = batch.rays.times_of(samples.rays)
        encoded = model.encode_at(samples.positions, times, batch.placed.encoded)
    return encoded, directions.index_select(0, samples.rays)


def evaluate(model: RadianceField, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return density [N] and colour [N, 3] of a batch's samples."""
    encoded, directions = encode(model, batch)
    known = batch.placed.known
    with span(DENSITY):
        found = model.density(encoded) if known is None else model.density_from(encoded, known)
    density, geometry = found
    with span(COLOUR):
        return density, model.color(geometry, directions)


def evaluate_in_parts(model: RadianceField, batch: Batch) -> tuple[Tensor, Tensor]:
    """Do as `evaluate` does, keeping for the backward pass only what goes into the networks (Chen
    et al. 2016, *Training Deep Nets with Sublinear Memory Cost*). The parts are evaluated again one
    after the other, so that what is inside the networks is there for one part at a time."""
    samples = batch.placed.samples
    with span(ENCODING):
        times = batch.rays.times_of(samples.rays)
        encoded = model.encode_at(samples.positions, times, batch.placed.encoded)
        directions = model.encode_directions(batch.rays.directions)

    def networks(encoded: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        with span(DENSITY):
            density, geometry = model.density(encoded)
        with span(COLOUR):
            return density, model.color(geometry, directions.index_select(0, rays))

    size = math.ceil(len(samples) / _PARTS)
    again = functools.partial(checkpoint, networks, use_reentrant=False, preserve_rng_state=False)
    parts = map(again, torch.split(encoded, size), torch.split(samples.rays, size))
    density, color = zip(*parts, strict=True)
    return torch.cat(density), torch.cat(color)
