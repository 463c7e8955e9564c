"""Hard sample mining: differentiate a field through the samples that matter (Korhonen et al.,
*Efficient NeRF Optimization – Not All Samples Remain Equally Hard*, Algorithm 1).

Notation: B samples; a' their network outputs before activation (logarithm of the density, colour
logits); g_i = ∂L/∂a'_i, four values; G_i = ‖g_i‖₂; p = G / ΣG; hardness h = B·p, with mean 1;
τ = √B·‖G‖₂ / ‖G‖₁ = √mean(h²), from 1 (all equally hard) to √B (one hard sample); τ̂ its running
mean; b the samples to draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.activations import trunc_exp
from effbench.kernels.hardness import Spread, weigh
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
        rate = 1 / images if config.running_mean else 1.0
        self.spread = Spread(rate, config.exponent, config.min_fraction)
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
            weighed = weigh(
                gradients[0], gradients[1], count, self.mean_tau, self.spread, self.backend
            )
            expected = self.expected(weighed.hard, weighed.fraction, count)
            evaluated = self._evaluated(expected)
            kept, factor = self.draw(expected, capacity, evaluated)
        if len(kept):
            positions = batch.placed.samples.positions.index_select(0, kept)
            with span(ENCODING):
                times = batch.rays.times_of(batch.placed.samples.rays)
                times = None if times is None else times.index_select(0, kept)
                known = model.encode_at(positions, times, encoded.index_select(0, kept))
            outputs = _outputs(model, known, directions.index_select(0, kept))
            d_log_density, d_logits = (g.index_select(0, kept) for g in gradients)
            weighted = (d_log_density * factor, d_logits * factor[:, None])
            with span(BACKWARD):
                torch.autograd.backward(outputs, weighted)
        # a gradient that is not finite draws nothing, then and later: the loss must say so
        value = value + weighed.nothing
        number = len(expected) if count is None else count.clamp_min(1)
        figures = {
            "inv_tau": weighed.inv_tau,
            "drawn": weighed.fraction,
            "distinct": self._different(kept, factor) / number,
            "skewness": weighed.skewness,
        }
        return Outcome(value, color, figures, evaluated)

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

    def draw(
        self, expected: Tensor, capacity: int | None = None, evaluated: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the samples to learn from (int64 [n], ascending; its size is the one thing that
        is read from the device) and the factors of their gradients (float32 [n]).

        With evaluate=drawn a sample drawn k times stands there k times, else its factor is k times
        as large. With a `capacity` n is that, nothing is read, and the slots left over have the
        factor 0. Where more than that are expected, all are drawn less often (and where each
        stands there once, at most once), so that none is dropped for its place. evaluated: how many
        are expected, where that is known.
        """
        once = self.config.evaluate == "once"
        if capacity is not None:
            room = (capacity - 1) / (self._evaluated(expected) if evaluated is None else evaluated)
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

    def _different(self, kept: Tensor, factor: Tensor) -> Tensor:
        """Return how many different samples are among ascending ones [n] with a factor [n]."""
        drawn = factor > 0
        if self.config.evaluate == "drawn":  # else each stands there once
            drawn &= kept.diff(prepend=kept.new_full((1,), -1)) != 0
        return drawn.sum()

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


def _outputs(model: NetworkField, encoded: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return a' of N samples: logarithm of the density [N] and colour logits [N, 3]."""
    with span(DENSITY):
        log_density, geometry = model.log_density(encoded)
    with span(COLOUR):
        return log_density, model.color_logits(geometry, directions)
