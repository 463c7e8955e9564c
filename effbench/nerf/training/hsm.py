"""Hard sample mining: differentiate a field through the samples that matter (Korhonen et al.,
*Efficient NeRF Optimization – Not All Samples Remain Equally Hard*, Algorithm 1).

Notation: B samples; a' their network outputs before activation (logarithm of the density, colour
logits); g_i = ∂L/∂a'_i, four values; G_i = ‖g_i‖₂; p = G / ΣG; hardness h = B·p, with mean 1;
τ = √B·‖G‖₂ / ‖G‖₁ = √mean(h²), from 1 (all equally hard) to √B (one hard sample); τ̂ its running
mean; b the samples to draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.activations import trunc_exp
from effbench.kernels.resampling import (
    inclusion_probabilities,
    systematic,
    systematic_draws,
)
from effbench.kernels.volume_rendering import composite
from effbench.method.spans import BACKWARD, COLOUR, DENSITY, ENCODING, MINING, RENDERING, span
from effbench.nerf.fields import NetworkField, RadianceField
from effbench.nerf.sampling import Sampler
from effbench.nerf.training.learning import Batch, Learner, Loss, Outcome, encode, nothing_met

_TINY = 1e-20  # keeps 0 / 0 away where no sample has a gradient; its powers are normal numbers


@dataclass(frozen=True)
class MiningConfig:
    """What the paper leaves open. exponent ≥ 0; min_fraction in [0, 1]."""

    replacement: bool = True  # draw with replacement
    evaluate: Literal["once", "drawn"] = "once"  # a sample drawn k times: once, or k times
    reweight: bool = False  # divide by the expected draws: no bias to hard samples
    exponent: float = 1.0  # e in b = B / τ̂^e; 2 gives the effective sample size of the draw
    min_fraction: float = 0.0  # least b / B
    running_mean: bool = True  # of τ, over about as many steps as there are training images

    def __post_init__(self) -> None:
        if self.exponent < 0:
            raise ConfigError(f"exponent is {self.exponent:g}: write a number ≥ 0")
        if not 0 <= self.min_fraction <= 1:
            raise ConfigError(f"min_fraction is {self.min_fraction:g}: write a number in [0, 1]")


class HardSampleLearner(Learner):
    """Evaluates all samples without a graph, then differentiates through hard ones only."""

    def __init__(
        self, config: MiningConfig, images: int, generator: torch.Generator, backend: str
    ) -> None:
        """images: the number of training images, which sets the rate of the running mean."""
        self.config, self.generator, self.backend = config, generator, backend
        self.rate = 1 / images if config.running_mean else 1.0
        self.mean_tau = torch.ones((), device=generator.device)

    def backward(self, model: RadianceField, sampler: Sampler, batch: Batch, loss: Loss) -> Outcome:
        if not len(batch.placed.samples):
            return nothing_met(batch, loss)
        return self._backward(model, sampler, batch, loss, None)

    def backward_within(
        self, model: RadianceField, sampler: Sampler, batch: Batch, loss: Loss, drawn: int
    ) -> Outcome:
        """Do as `backward` does without reading anything from the device, evaluating at most
        `drawn` samples."""
        return self._backward(model, sampler, batch, loss, drawn)

    def set_generator(self, generator: torch.Generator) -> None:
        self.generator = generator

    def facts(self) -> Mapping[str, Any]:
        c = self.config
        draw = "systematic, with replacement" if c.replacement else "systematic, no replacement"
        evaluated = "each drawn sample once, its gradient times its draws"
        if c.evaluate == "drawn" or not c.replacement:
            evaluated = "every draw"
        return {"mining_draw": draw, "mining_evaluates": evaluated}

    def _backward(
        self,
        model: RadianceField,
        sampler: Sampler,
        batch: Batch,
        loss: Loss,
        capacity: int | None,
    ) -> Outcome:
        if not isinstance(model, NetworkField):
            raise ConfigError(
                f"hard sample mining cannot train a {type(model).__name__}: it needs outputs "
                "before activation, which a NetworkField has"
            )
        with torch.no_grad():
            encoded, directions = encode(model, batch)
            outputs = _outputs(model, encoded, directions)
        with span(RENDERING):
            value, color, gradients = self._through_rendering(outputs, sampler, batch, loss)
        count = None if capacity is None else batch.placed.samples.offsets[-1]  # B, without tail
        with span(MINING):
            hard = hardness(gradients[0], gradients[1], count)
            fraction = self.observe(hard, count)
            expected = self.expected(hard, fraction, count)
            kept, factor = self.draw(expected, capacity)
        if len(kept):
            positions = batch.placed.samples.positions.index_select(0, kept)
            with span(ENCODING):
                times = batch.rays.times_of(batch.placed.samples.rays.index_select(0, kept))
                known = model.encode_at(positions, times, encoded.index_select(0, kept))
            outputs = _outputs(model, known, directions.index_select(0, kept))
            d_log_density, d_logits = (g.index_select(0, kept) for g in gradients)
            weighted = (d_log_density * factor, d_logits * factor[:, None])
            with span(BACKWARD):
                torch.autograd.backward(outputs, weighted)
        # a gradient that is not finite draws nothing, then and later: the loss must say so
        value = value.masked_fill(~self.mean_tau.isfinite(), math.nan)
        distinct = _different(kept, factor) / (len(hard) if count is None else count.clamp_min(1))
        figures = {
            "inv_tau": 1 / self.mean_tau,
            "drawn": fraction,
            "distinct": distinct,
            "skewness": skewness(hard, count),
        }
        return Outcome(value, color, figures, self._evaluated(expected))

    def expected(self, hard: Tensor, fraction: Tensor, count: Tensor | None = None) -> Tensor:
        """Return how often each sample is drawn on average (float32 [B]), by hardness [B], when
        the given fraction of samples is drawn (0-d, b / B). count: B (0-d) if `hard` has a tail
        of zeros."""
        if self.config.replacement:
            expected = hard * fraction  # b·p
        else:
            total = fraction * (len(hard) if count is None else count)
            expected = inclusion_probabilities(hard, total, self.backend)
        # b = B: no draw, every sample that has a gradient
        return torch.where(fraction < 1, expected, hard.sign())

    def draw(self, expected: Tensor, capacity: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the samples to learn from (int64 [n], ascending; its size is the one thing that
        is read from the device) and the factors of their gradients (float32 [n]).

        With evaluate=drawn a sample drawn k times stands there k times, else its factor is k times
        as large. With a `capacity` n is that, nothing is read, and the slots left over have the
        factor 0. Where more than that are expected, all are drawn less often (and where each
        stands there once, at most once), so that none is dropped for its place.
        """
        once = self.config.evaluate == "once"
        if capacity is not None:
            room = (capacity - 1) / self._evaluated(expected)
            fewer = (expected.clamp_max(1) if once else expected) * room
            expected = torch.where(room < 1, fewer, expected)
        shift = torch.rand(
            (), generator=self.generator, device=expected.device, dtype=torch.float64
        )
        comb = systematic if once else systematic_draws
        kept, factor = comb(expected, shift, self.backend, capacity)
        if self.config.reweight:
            odds = expected.index_select(0, kept)
            factor = factor / (odds if capacity is None else odds.masked_fill(factor == 0, 1))
        return kept, factor

    def _evaluated(self, expected: Tensor) -> Tensor:
        """Return how many samples are evaluated again on average: of those that stand there once,
        i with the odds min(1, e_i)."""
        return (expected.clamp_max(1) if self.config.evaluate == "once" else expected).sum()

    def _through_rendering(
        self, outputs: tuple[Tensor, Tensor], sampler: Sampler, batch: Batch, loss: Loss
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return loss, colours and ∂L/∂a'; add the gradient of the sampler's own loss."""
        samples = batch.placed.samples
        log_density, logits = (x.detach().requires_grad_() for x in outputs)
        optical_depth = trunc_exp(log_density) * samples.deltas
        color = torch.sigmoid(logits)
        render = self.composite or composite
        pixels = render(optical_depth, color, samples.offsets, batch.background, self.backend)[0]
        value = loss(pixels, batch.target)
        gradients: tuple[Tensor, ...]
        if batch.background.requires_grad:
            *own, behind = torch.autograd.grad(value, (log_density, logits, batch.background))
            batch.background.backward(behind)  # type: ignore[no-untyped-call]
            gradients = tuple(own)
        else:
            gradients = torch.autograd.grad(value, (log_density, logits))
        auxiliary = sampler.loss(batch.placed, optical_depth.detach())
        if auxiliary is not None:
            auxiliary.backward()  # type: ignore[no-untyped-call]
        return value.detach(), pixels.detach(), gradients

    def observe(self, hard: Tensor, count: Tensor | None = None) -> Tensor:
        """Update τ̂ and return the fraction b / B to draw."""
        # τ is below 1 only where no sample has a gradient
        tau = _mean(hard.square(), count).sqrt().clamp_min(1)
        self.mean_tau.lerp_(tau, self.rate)  # in place: a recorded step knows it by its address
        return self.mean_tau.pow(-self.config.exponent).clamp_min(self.config.min_fraction)


def hardness(d_log_density: Tensor, d_logits: Tensor, count: Tensor | None = None) -> Tensor:
    """Return B·p [B] of gradients [B] and [B, 3]: 0 if all of them are 0, with a NaN if one is not
    finite. count: B (0-d) where the gradients have a tail of zeros behind the samples'."""
    # a product with ones: sums along a short last axis are slow on a CPU
    norms = (d_log_density.square() + d_logits.square() @ d_logits.new_ones(3)).sqrt()
    return norms / _mean(norms, count).clamp_min(_TINY)


def skewness(values: Tensor, count: Tensor | None = None) -> Tensor:
    """Return the third standardised moment of values [N], the first `count` (0-d) of them if that
    is given; 0 where they are all the same."""
    deviations = values - _mean(values, count)
    if count is not None:
        tail = torch.arange(len(values), device=values.device) >= count
        deviations = deviations.masked_fill(tail, 0)
    squares = deviations.square()
    third = (squares @ deviations) / (len(values) if count is None else count.clamp_min(1))
    return third / _mean(squares, count).clamp_min(_TINY).pow(1.5)


def _different(kept: Tensor, factor: Tensor) -> Tensor:
    """Return how many different samples there are among ascending ones [n] with a factor [n]."""
    first = kept.diff(prepend=kept.new_full((1,), -1)) != 0
    return (first & (factor > 0)).sum()


def _mean(values: Tensor, count: Tensor | None) -> Tensor:
    """Return the mean of values [N], or of the first `count` where the others are zeros."""
    return values.mean() if count is None else values.sum() / count.clamp_min(1)


def _outputs(model: NetworkField, encoded: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return a' of N samples: logarithm of the density [N] and colour logits [N, 3]."""
    with span(DENSITY):
        log_density, geometry = model.log_density(encoded)
    with span(COLOUR):
        return log_density, model.color_logits(geometry, directions)
