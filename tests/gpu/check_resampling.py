"""Systematic resampling into a buffer, in Triton, draws what the definition draws."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.resampling import systematic


@pytest.mark.parametrize("capacity", [1, 300, 2000])
@pytest.mark.parametrize("count", [1, 1024, 2500])
def test_the_same_samples_as_often(
    device: torch.device, generator: torch.Generator, count: int, capacity: int
) -> None:
    expected = 3 * torch.rand(count, generator=generator, device=device) ** 4
    expected[::3] = 0
    shift = torch.rand((), generator=generator, device=device, dtype=torch.float64)
    mine, other = (systematic(expected, shift, b, capacity) for b in ("triton", "reference"))
    for found, known in zip(mine, other, strict=True):
        assert found.shape == (capacity,)
        torch.testing.assert_close(found, known, rtol=0, atol=0)


def test_nothing_is_drawn_from_a_nan_on(device: torch.device) -> None:
    expected = torch.ones(2000, device=device)
    expected[1200] = math.nan
    shift = torch.tensor(0.5, dtype=torch.float64, device=device)
    kept, times = systematic(expected, shift, "triton", 1500)
    assert kept[times > 0].tolist() == list(range(1200))
