"""Drawing many samples with given probabilities: systematic resampling (Madow 1949).

Expected counts are laid end to end on a line, and a comb with teeth one apart, shifted by one
random number, is held against it: each tooth draws the sample it falls on. Sample i is drawn ⌊e_i⌋
or ⌈e_i⌉ times, e_i times on average: exact in expectation, with less variance than independent
draws, and evenly spread along whatever order the samples have. It takes one prefix sum, where
independent draws take a search each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.backends import resolve

_ROUNDS = 8  # at the spread of real gradients four leave less than 0.1 % undrawn


def systematic(
    expected: Tensor, shift: Tensor, backend: str = "auto", capacity: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the samples drawn (int64 [n], ascending) and how often each is (float32 [n], ≥ 1).

    expected: float32 [N] ≥ 0, the mean count of each sample; shift: float64, 0-d in [0, 1),
    uniform. The counts add up to the sum of `expected`, rounded up or down. What expects nothing
    is never drawn, nor is anything from the first NaN on. The number n has to be read from the
    device, unless a `capacity` is given: n is that number then, the slots that nothing fills hold
    sample 0 and count 0, and samples beyond it are dropped.
    """
    chosen = resolve(backend, expected.device)
    if capacity is not None and chosen == "triton":
        from effbench.kernels.gpu import resampling as gpu

        return gpu.systematic(expected.contiguous(), shift, capacity)
    if capacity is None and chosen == "cpu":
        from effbench.kernels.cpu import resampling as cpu

        kept = torch.empty(len(expected), dtype=torch.int64)
        counts = torch.empty(len(expected))
        drawn = cpu.systematic(expected.numpy(), float(shift), kept.numpy(), counts.numpy())
        return kept[:drawn], counts[:drawn]
    line = torch.cumsum(expected, 0, dtype=torch.float64)
    teeth = torch.ceil(line - shift)  # of those at shift, shift + 1, … the ones below `line`
    counts = torch.diff(teeth, prepend=teeth.new_zeros(1))
    # a parallel prefix sum need not stay exactly level where zeros are added
    drawn = (counts > 0) & (expected > 0)
    if capacity is None:
        kept = drawn.nonzero()[:, 0]
        return kept, counts.index_select(0, kept).float()
    slot = torch.where(drawn, torch.cumsum(drawn, 0) - 1, capacity).clamp_max(capacity)
    index = torch.arange(len(expected), device=slot.device)
    kept = index.new_zeros(capacity + 1).scatter_(0, slot, index)[:-1]
    times = counts.new_zeros(capacity + 1).scatter_(0, slot, counts)[:-1]
    return kept, times.float()


def systematic_draws(
    expected: Tensor, shift: Tensor, backend: str = "auto", capacity: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the sample of each draw (int64 [n], ascending: one that is drawn k times stands there
    k times) and 1 for each (float32 [n]).

    As `systematic`, of which it is the other form; with a `capacity` n is that number, the slots
    that nothing fills hold a 0 in the place of the 1, and draws beyond it are dropped.
    """
    if capacity is None:
        kept, counts = systematic(expected, shift, backend)
        kept = kept.repeat_interleave(counts.long())
        return kept, torch.ones(len(kept), device=kept.device)
    line = torch.cumsum(expected, 0, dtype=torch.float64)
    teeth = torch.arange(capacity, device=line.device) + shift
    kept = torch.searchsorted(line, teeth, right=True).clamp_max(len(expected) - 1)
    # nothing is filled where there is a NaN; a parallel prefix sum need not stay exactly level
    # where zeros are added
    filled = (teeth < line[-1]) & (expected.index_select(0, kept) > 0)
    return torch.where(filled, kept, 0), filled.float()


def inclusion_probabilities(weights: Tensor, total: Tensor, backend: str = "auto") -> Tensor:
    """Return min(1, λ·weights), float32 [N], with the λ that makes them add up to `total`.

    weights: float32 [N] ≥ 0; total: 0-d, at most N. Where fewer than `total` weights are positive,
    these get 1. As expectations of `systematic` they draw `total` samples without replacement,
    each with exactly this probability.

    λ is found by Newton's method on Σ min(1, λ·w), which is concave and piecewise linear: λ only
    grows and arrives after some steps. Their number is bounded; what is left undone lowers the sum
    and not the truth of the probabilities.
    """
    if resolve(backend, weights.device) == "cpu":
        from effbench.kernels.cpu import resampling as cpu

        scale = torch.tensor(cpu.capping_scale(weights.numpy(), float(total), _ROUNDS))
    else:
        scale = _capping_scale(weights, total)
    return torch.where(weights > 0, (weights * scale).clamp_max(1), weights)


def _capping_scale(weights: Tensor, total: Tensor) -> Tensor:
    scale = total / weights.sum()
    for _ in range(_ROUNDS):
        capped = weights * scale >= 1
        rest = torch.where(capped, 0.0, weights).sum()
        # 0 / 0 where nothing is left below 1, which fmax passes over
        scale = torch.fmax(scale, (total - capped.sum()) / rest)
    return scale
