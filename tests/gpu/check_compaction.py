"""Compaction in Triton: what is kept is what the definition keeps."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.samples import Samples, offsets_of, ray_of_slot


@pytest.fixture
def samples(device: torch.device, scale: int, generator: torch.Generator) -> Samples:
    counts = torch.tensor([0, 3, 1, 0, 32, 33, 70, 0], device=device).repeat(scale)
    offsets = offsets_of(counts)
    slots = int(offsets[-1])
    return Samples(
        torch.rand(slots, 3, generator=generator, device=device),
        torch.rand(slots, generator=generator, device=device),
        ray_of_slot(offsets, slots),
        offsets,
        torch.rand((), generator=generator, device=device).expand(slots),
    )


def assert_same(ours: tuple[Samples, torch.Tensor], theirs: tuple[Samples, torch.Tensor]) -> None:
    assert torch.equal(ours[1], theirs[1])
    for field in fields(Samples):
        a, b = getattr(ours[0], field.name), getattr(theirs[0], field.name)
        assert (a is None and b is None) or torch.equal(a, b), field.name


@pytest.mark.parametrize("room", [None, 0.2, 2.0])  # capacity in shares of the samples given
@pytest.mark.parametrize("padding", [0, 17])  # slots behind the last ray's end
def test_kept_samples(
    samples: Samples, generator: torch.Generator, room: float | None, padding: int
) -> None:
    capacity = None if room is None else int(room * len(samples))
    if padding:
        samples = samples.with_capacity(len(samples) + padding)
    share = torch.rand(len(samples.offsets) - 1, generator=generator, device=samples.t.device)
    counts = (samples.offsets.diff() * share).long()
    ours, theirs = (keep_prefix(samples, counts, capacity, b) for b in ("triton", "reference"))
    assert_same(ours, theirs)
    mask = torch.rand(len(samples), generator=generator, device=samples.t.device) < 0.4
    mask[-3:] = True
    ours, theirs = (keep_selected(samples, mask, capacity, b) for b in ("triton", "reference"))
    assert_same(ours, theirs)
