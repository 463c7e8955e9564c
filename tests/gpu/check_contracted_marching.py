"""Marching through contracted space in Triton: the samples are those of the definition."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.contracted_marching import march_contracted
from effbench.kernels.contraction import Norm

Arguments = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, float, torch.Tensor]


@pytest.fixture
def arguments(device: torch.device, scale: int, generator: torch.Generator) -> Arguments:
    count = 45 * scale
    origins = torch.rand(count, 3, generator=generator, device=device) * 2 - 0.5
    directions = torch.randn(count, 3, generator=generator, device=device)
    directions = torch.nn.functional.normalize(directions, dim=1)
    directions[0] = torch.tensor([0.0, 0, 1])  # along an axis
    near = torch.full((count,), 0.1, device=device)
    near[1] = math.inf  # a ray that is switched off
    bits = torch.randint(256, (16**3 // 8,), generator=generator, device=device).to(torch.uint8)
    jitter = torch.rand(count, generator=generator, device=device)
    return origins, directions, near, bits, 16, 1 / 20, jitter


@pytest.mark.parametrize("limit", [1000, 7])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_contracted_steps(arguments: Arguments, norm: Norm, limit: int) -> None:
    ours, theirs = (
        march_contracted(*arguments, limit, 500.0, norm, backend)
        for backend in ("triton", "reference")
    )
    equal = ours.offsets.diff() == theirs.offsets.diff()
    assert (~equal).float().mean() <= 0.03
    assert len(theirs) > 100
    assert ours.offsets[2] == ours.offsets[1]
    a, b = (equal[s.rays] for s in (ours, theirs))
    assert torch.equal(ours.rays[a], theirs.rays[b])
    torch.testing.assert_close(ours.positions[a], theirs.positions[b], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.t[a], theirs.t[b], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(ours.deltas[a], theirs.deltas[b], rtol=1e-3, atol=0)


@pytest.mark.parametrize("share", [0.3, 3.0])  # of the samples there are
def test_a_capacity_fixes_the_length(arguments: Arguments, share: float) -> None:
    free = march_contracted(*arguments, 1000, 500.0, "linf", "triton")
    capacity = int(share * len(free))
    fixed = march_contracted(*arguments, 1000, 500.0, "linf", "triton", capacity)
    expected = free.with_capacity(capacity)
    assert fixed.wanted == len(free)
    for name in ("positions", "t", "rays", "deltas", "offsets"):
        assert torch.equal(getattr(fixed, name), getattr(expected, name)), name


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of the interpreter
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("broken", [0, 1, 2, 6])
def test_a_ray_of_nan_has_no_samples(arguments: Arguments, norm: Norm, broken: int) -> None:
    """In its origin, direction, near or jitter; the others have theirs."""
    value = arguments[broken]
    assert isinstance(value, torch.Tensor)
    value[3] = math.nan
    ours, theirs = (
        march_contracted(*arguments, 1000, 500.0, norm, backend).offsets
        for backend in ("triton", "reference")
    )
    assert ours[4] == ours[3]
    assert theirs[4] == theirs[3]
    assert (ours.diff() != theirs.diff()).float().mean() <= 0.03
