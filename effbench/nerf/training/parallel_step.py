"""A training step whose batch is split among ranks, by torch's DistributedDataParallel.

N ranks, of which each has the whole model and 1/N of the step's R rays. Every rank draws all R of
them, with jitter and backgrounds, from the same generator, and goes on with its own n_r. Its loss
is the mean over these times N·n_r / R: DistributedDataParallel averages gradients, (1/N)·Σ_r, so
that the sum is the gradient of the mean over all R, as on one rank, but for the order of additions.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import torch
from torch import Tensor, nn

from effbench.errors import ConfigError, EffbenchError
from effbench.nerf.sampling import OccupancySampler
from effbench.nerf.sampling.progressive_pixels import ProgressivePixels
from effbench.nerf.sampling.rays import OneViewPixels, TrainingPixels
from effbench.nerf.training.fixed_step import Trainee
from effbench.nerf.training.learning import Batch, FullLearner


class Done(NamedTuple):
    """What all ranks together did: mean loss over all rays (0-d), and the samples on them."""

    loss: Tensor
    samples: int


class ParallelStep:
    """The step of one rank; all ranks take it at the same time."""

    def __init__(self, method: Trainee) -> None:
        """Raises ConfigError for a method whose step cannot be split."""
        from torch.nn.parallel import DistributedDataParallel

        if reason := refusal(method):
            raise ConfigError(f"several ranks cannot train this method: {reason}: use --ranks 1")
        assert isinstance(method.sampler, OccupancySampler)
        self.method, self.sampler = method, method.sampler
        self.rank, self.ranks = method.context.rank, method.context.ranks
        share = _ShareOfLoss(method)
        self._trained = [p for p in share.parameters() if p.requires_grad]
        devices = [method.device] if method.device.type == "cuda" else None
        self._share = DistributedDataParallel(
            share, device_ids=devices, gradient_as_bucket_view=True
        )
        self._grid_seen = -1  # version of the grid's bits that `_grid_sum` is of
        self._grid_sum = 0

    def step(self, rays: int) -> Done:
        """Do a step on `rays` rays of all ranks together. Raises EffbenchError where the ranks'
        occupancy grids are not the same."""
        method = self.method
        batch = self._batch(rays)
        method.optimizer.zero_grad(set_to_none=True)
        share: Tensor = self._share(batch, self.ranks * len(batch.rays) / rays)
        share.backward()  # type: ignore[no-untyped-call]
        loss, samples = self._summed(share.detach() / self.ranks, len(batch.placed.samples))
        if not samples:  # as on one rank: the optimiser leaves alone what has no gradient
            for parameter in method.field.parameters():
                parameter.grad = None
        method.optimizer.step()
        return Done(loss, samples)

    def _batch(self, rays: int) -> Batch:
        """Return this rank's share, drawn as `RadianceFieldMethod._batch` draws all of it."""
        method, generator = self.method, self.method.generator
        drawn, pixels = method.pixels.sample(rays, generator)
        target, background = method.matched(drawn, pixels, generator)
        jitter = self.sampler.jitter(rays, generator)
        own = share_of(rays, self.rank, self.ranks)
        placed = self.sampler.place_at(drawn.select(own), jitter[own], method.field)
        return Batch(drawn.select(own), placed, target[own], background[own])

    def _summed(self, loss: Tensor, samples: int) -> tuple[Tensor, int]:
        """Return the sums of a rank's share of the loss and of its samples over all ranks."""
        import torch.distributed as dist

        grid = self._grid()
        sums = torch.tensor([samples, grid], dtype=torch.float64, device=loss.device)
        sums = torch.cat([loss.double()[None], sums])
        dist.all_reduce(sums)
        value, *counts = sums.unbind()
        total, grids = (int(count) for count in counts)
        if grids != self.ranks * grid:  # whole numbers below 2⁵³: sums are exact
            raise EffbenchError(
                f"the ranks' occupancy grids differ before iteration {self.method.iteration + 1}: "
                "their weights or random numbers are not the same: use --ranks 1"
            )
        return value.to(loss.dtype), total

    def _grid(self) -> int:
        """Return a 32-bit checksum of the occupancy grid, found anew when its bits have changed."""
        bits = self.sampler.grid.bits
        if self._grid_seen != bits._version:
            self._grid_sum = zlib.crc32(bits.cpu().numpy().tobytes())
            self._grid_seen = bits._version
        return self._grid_sum

    def facts(self) -> dict[str, int]:
        """Return what a record should say: the bytes of gradients that are reduced in a step."""
        return {"reduced_bytes": sum(p.numel() * p.element_size() for p in self._trained)}


class _ShareOfLoss(nn.Module):
    """Owns what is trained; forward gives a rank's part of the loss, so that
    DistributedDataParallel sees one forward and one backward pass a step."""

    def __init__(self, method: Trainee) -> None:
        super().__init__()
        self.field, self.environment = method.field, method.environment
        self._method = method

    def forward(self, batch: Batch, weight: float) -> Tensor:
        """Return the mean loss of a batch times `weight`, with a gradient for every parameter."""
        method = self._method
        assert isinstance(method.learner, FullLearner)
        if len(batch.placed.samples):
            found = method.learner.forward(self.field, method.sampler, batch, method.loss)
            return weight * found[0]
        # the other ranks wait for this one's gradients, zeros though they are
        unmet = sum((0 * p.sum() for p in self.parameters()), torch.zeros((), device=method.device))
        if not len(batch.rays):
            return unmet
        return weight * method.loss(batch.background, batch.target) + unmet


def share_of(rays: int, rank: int, ranks: int) -> slice:
    """Return which of a step's rays are a rank's: as many as the others', or one more or less."""
    return slice(rank * rays // ranks, (rank + 1) * rays // ranks)


def refusal(method: Trainee) -> str:
    """Return why the step of a method cannot be split, "" where it can."""
    if type(method.learner) is not FullLearner:
        return "its learner does not differentiate through every sample"
    if type(method.sampler) is not OccupancySampler:
        return "its samples are not placed by effbench's own occupancy grid"
    if type(method.pixels) not in (TrainingPixels, OneViewPixels, ProgressivePixels):
        return "its pixels are drawn ahead, or by what it has seen of others"
    return ""
