"""Proposal sampling (Barron et al. 2022, Mip-NeRF 360, §3): small density networks say where on a
ray the field is worth evaluating, and learn it from the field.

Notation: H rays meet the cube; a round of K samples per ray makes a histogram of K bins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.errors import ConfigError
from effbench.kernels.activations import TruncatedExp
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.inverse_cdf import sample_pdf
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.histograms import (
    Chords,
    Histogram,
    edges_between,
    rendering_weights,
    shade,
)
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.sampling.sampler import EncodedSamples, Sampler
from effbench.nerf.sampling.spaces import Space

_BASE = 16  # lattice of the networks' coarsest hash level
_SLOTS = 1 << 23  # samples of a network rendered at once on a GPU: est. 2 GB of activations


@dataclass(frozen=True)
class ProposalOptions:
    """Parameters of proposal sampling; a method's Config may inherit them."""

    proposal_samples: tuple[int, ...] = (128,)  # samples per ray of each proposal network
    field_samples: int = 64  # samples per ray of the field
    proposal_levels: int = 5  # hash levels of a proposal network
    proposal_log2_table: int = 17  # log2 of the entries of a hashed level
    proposal_resolution: int = 128  # lattice of its finest level
    proposal_hidden: int = 16  # neurons of its hidden layer
    proposal_warmup: int = 1000  # iterations of annealed weights and of learning at every one
    proposal_every: int = 5  # iterations between the networks' steps after that
    spacing: Literal["disparity", "piecewise"] = "disparity"  # of samples in contracted space

    def __post_init__(self) -> None:
        if not self.proposal_samples or min(*self.proposal_samples, self.field_samples) < 2:
            raise ConfigError(
                "proposal sampling needs at least one proposal network and two samples per ray "
                f"for each network, not proposal_samples={self.proposal_samples} and "
                f"field_samples={self.field_samples}"
            )


class ProposalNetwork(nn.Module):
    """A density and nothing else: hash encoding → hidden → 1, without biases, in fp32."""

    def __init__(
        self, layout: HashLayout, hidden: int, backend: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.layout, self.backend = layout, backend
        table = torch.empty(layout.rows, 2).uniform_(-1e-4, 1e-4, generator=generator)
        inner, outer = torch.empty(hidden, layout.width), torch.empty(1, hidden)
        self.table = nn.Parameter(table)
        self.inner = nn.Parameter(nn.init.xavier_uniform_(inner, generator=generator))
        self.outer = nn.Parameter(nn.init.xavier_uniform_(outer, generator=generator))

    def forward(self, positions: Tensor) -> Tensor:
        """Return the density (float32 [N], per unit-cube length) at `positions` [N, 3]."""
        encoded = hash_encode(positions, self.table, self.layout, self.backend)
        hidden = functional.relu(functional.linear(encoded, self.inner), inplace=True)
        output = functional.linear(hidden, self.outer)[:, 0]
        return cast(Tensor, TruncatedExp.apply(output))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class ProposalPlaced(EncodedSamples):
    """The field's samples, M on each of the H rays, with their bins' edges [H, M + 1], and the
    histograms that are to learn from them, with their graphs (none: not in this step)."""

    edges: Tensor
    histograms: tuple[Histogram, ...]


class ProposalSampler(Sampler):
    """Rounds of resampling: even samples on the chord weighed by the first network, samples drawn
    from its histogram weighed by the second, and so on; the field gets the last draw."""

    def __init__(
        self,
        options: ProposalOptions,
        space: Space,
        device: torch.device,
        backend: str,
        seed: int,
    ) -> None:
        self.options, self.space, self.backend = options, space, backend
        generator = torch.Generator().manual_seed(seed)  # on the CPU: same on every device
        layout = HashLayout(
            options.proposal_levels,
            options.proposal_log2_table,
            _BASE,
            options.proposal_resolution,
        )
        self.networks = nn.ModuleList(
            ProposalNetwork(layout, options.proposal_hidden, backend, generator)
            for _ in options.proposal_samples
        ).to(device)
        self._power = 1.0  # of the weights that are drawn from; below 1 while annealing
        self._learning = True

    def update(self, field: RadianceField, iteration: int, generator: torch.Generator) -> None:
        warmup, every = self.options.proposal_warmup, self.options.proposal_every
        self._power = annealed(iteration / warmup) if iteration < warmup else 1.0
        self._learning = iteration < warmup or iteration % every == 0

    @property
    def cycle(self) -> int:
        return self.options.proposal_every

    @property
    def most_rays_at_once(self) -> int:
        options = self.options
        return max(1, _SLOTS // max(*options.proposal_samples, options.field_samples))

    def place(self, rays: Rays, field: RadianceField, generator: torch.Generator) -> EncodedSamples:
        chords = self.space.chords(rays)
        with torch.set_grad_enabled(self._learning):
            t, histograms = self._resample(chords, generator)
        edges = _own_edges(t, chords)
        samples = chords.pack(t, chords.lengths(t, edges))
        learning = histograms if self._learning else ()
        return ProposalPlaced(samples=samples, edges=edges, histograms=learning)

    def loss(self, placed: EncodedSamples, optical_depth: Tensor) -> Tensor | None:
        placed = cast(ProposalPlaced, placed)
        if not placed.histograms:
            return None
        weights = rendering_weights(optical_depth.view(-1, self.options.field_samples))
        losses = [interlevel_loss(placed.edges, weights, h) for h in placed.histograms]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def render(self, rays: Rays, field: RadianceField, background: Tensor) -> Tensor:
        chords = self.space.chords(rays)
        t, _ = self._resample(chords, None)
        samples = chords.pack(t, chords.lengths(t, _own_edges(t, chords)))
        return shade(samples, rays, field, background, self.backend)

    def _resample(
        self, chords: Chords, generator: torch.Generator | None
    ) -> tuple[Tensor, tuple[Histogram, ...]]:
        """Return the field's sample distances [H, M] and the histograms on the way to them."""
        enter, leave = chords.enter, chords.leave
        histograms = [Histogram(torch.cat([enter, leave], 1), torch.ones_like(enter))]
        for network, count in zip(self.networks, self.options.proposal_samples, strict=True):
            t = self._draw(histograms[-1], count, generator)
            edges = edges_between(t, enter, leave)
            density = network(chords.positions(t)).view_as(t)
            optical_depth = density * chords.lengths(t, edges)
            histograms.append(Histogram(edges, rendering_weights(optical_depth)))
        t = self._draw(histograms[-1], self.options.field_samples, generator)
        return t, tuple(histograms[1:])

    def _draw(self, histogram: Histogram, count: int, generator: torch.Generator | None) -> Tensor:
        """Draw `count` ascending distances per ray: all of a ray's shifted by one random number,
        from annealed weights; without a generator in the middle of their strata."""
        edges, weights = histogram.edges, histogram.weights.detach()
        shift = torch.full((len(edges), 1), 0.5, device=edges.device)
        if generator is not None:
            shift = torch.rand(len(edges), 1, generator=generator, device=edges.device)
            weights = weights if self._power == 1 else weights**self._power
        uniform = (torch.arange(count, device=edges.device) + shift) / count
        return sample_pdf(edges, weights, uniform, self.backend)

    def parameters(self) -> Iterable[Tensor]:
        return self.networks.parameters()

    def state(self) -> dict[str, Tensor]:
        """Return the networks: rendering draws from their histograms."""
        return {f"proposal.{name}": x.detach() for name, x in self.networks.named_parameters()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        names = [name for name, _ in self.networks.named_parameters()]
        self.networks.load_state_dict({name: state[f"proposal.{name}"] for name in names})


def annealed(progress: float, slope: float = 10.0) -> float:
    """Return the power of the weights at `progress` in [0, 1] of the annealing: 0 draws evenly, 1
    from the weights as they are (Barron et al. 2022, eq. 18)."""
    return slope * progress / ((slope - 1) * progress + 1)


def interlevel_loss(edges: Tensor, weights: Tensor, proposal: Histogram) -> Tensor:
    """Return how much weight of the field the proposal fails to bound (Barron et al. 2022, eq. 13):
    Σ max(0, w − w_outer)² / (w + 1e-7), the mean over rays.

    edges: [H, M + 1]; weights: [H, M], without gradient.
    """
    excess = (weights - outer_weights(edges, proposal)).clamp_min(0)
    return (excess**2 / (weights + 1e-7)).sum(1).mean()


def outer_weights(edges: Tensor, proposal: Histogram) -> Tensor:
    """Return, for each bin of `edges` [H, M + 1], the weight [H, M] of all of the proposal's bins
    that overlap it (Barron et al. 2022, eq. 12)."""
    below = functional.pad(proposal.weights.cumsum(1), (1, 0))
    last = proposal.weights.shape[1]
    first = torch.searchsorted(proposal.edges, edges[:, :-1].contiguous(), right=True) - 1
    behind = torch.searchsorted(proposal.edges, edges[:, 1:].contiguous())
    return below.gather(1, behind.clamp(0, last)) - below.gather(1, first.clamp(0, last))


def _own_edges(t: Tensor, chords: Chords) -> Tensor:
    """Return the edges of the field's bins: an outer sample stands for no more than its side
    towards the next one shows, since the proposal saw nothing beyond it."""
    first = torch.maximum(t[:, :1] - (t[:, 1:2] - t[:, :1]) / 2, chords.enter)
    last = torch.minimum(t[:, -1:] + (t[:, -1:] - t[:, -2:-1]) / 2, chords.leave)
    return edges_between(t, first, last)
