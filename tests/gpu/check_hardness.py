"""Hardness in Triton equals the definition."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from effbench.kernels.hardness import Spread, weigh

SPREADS = [Spread(1.0, 1.0, 0.0), Spread(0.05, 2.0, 0.0), Spread(1.0, 1.0, 0.3)]


def both(
    d_log_density: Tensor, d_logits: Tensor, count: int, spread: Spread
) -> list[dict[str, Tensor]]:
    """Return what Triton finds, and what the definition does."""
    found = []
    for backend in ("triton", "reference"):
        device = d_logits.device
        mean_tau = torch.full((), 1.25, device=device)
        number = torch.tensor(count, device=device)
        weighed = weigh(d_log_density, d_logits, number, mean_tau, spread, backend)
        found.append({**dataclasses.asdict(weighed), "mean_tau": mean_tau})
    return found


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("count", "size"), [(1, 1), (900, 900), (3000, 4096)])
def test_weights_and_what_follows_from_them(
    device: torch.device, generator: torch.Generator, count: int, size: int, spread: Spread
) -> None:
    scale = 1e-6 * torch.rand(size, 1, generator=generator, device=device) ** 4
    gradients = torch.randn(size, 4, generator=generator, device=device) * scale
    gradients[count:] = 0
    mine, other = both(gradients[:, 0], gradients[:, 1:], count, spread)
    for name, value in mine.items():
        torch.testing.assert_close(value, other[name], rtol=2e-4, atol=1e-6, msg=name)


def test_no_gradient_and_equal_ones(device: torch.device) -> None:
    for value in (0.0, 0.5):
        equal = (
            torch.full((2000,), value, device=device),
            torch.full((2000, 3), value, device=device),
        )
        mine, other = both(*equal, 2000, SPREADS[0])
        assert float(mine.pop("skewness")) == 0
        for name, found in mine.items():
            torch.testing.assert_close(found, other[name], rtol=1e-5, atol=0, msg=name)


def test_a_gradient_that_is_not_a_number(device: torch.device) -> None:
    d_log_density = torch.zeros(2000, device=device)
    d_log_density[1500] = math.nan
    mine, _ = both(d_log_density, torch.zeros(2000, 3, device=device), 2000, SPREADS[0])
    assert mine["hard"].isnan().any()
    for name in ("fraction", "nothing"):
        assert not mine[name].isfinite(), name
