"""Densities and colours in Triton equal the definitions, their gradients too."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from effbench.kernels.activations import density_head, sigmoid

COUNTS = pytest.mark.parametrize("count", [0, 1, 1500])
KINDS = pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])


def _within(kind: torch.dtype) -> dict[str, Any]:
    """The interpreter rounds towards zero, which is one unit in the last place."""
    last = {torch.float16: 1e-3, torch.bfloat16: 8e-3}
    return {"rtol": last.get(kind, 1e-5), "atol": 1e-6, "equal_nan": True}


@COUNTS
@KINDS
def test_density_and_its_gradient(
    device: torch.device, generator: torch.Generator, count: int, kind: torch.dtype
) -> None:
    output = torch.randn(count, 16, generator=generator, device=device)
    output[:1, 0] = math.nan  # of a run that has diverged
    if kind == torch.float32:
        output[1:100, 0] *= 20  # to where the gradient is bounded
    wide = torch.randn(count, 31, generator=generator, device=device).to(kind)
    d_density = torch.randn(count, generator=generator, device=device)
    found = []
    for backend in ("triton", "reference"):
        leaf = output.to(kind).requires_grad_()
        density, geometry = density_head(leaf, backend)
        gradient = torch.autograd.grad((density, geometry), leaf, (d_density, wide[:, 16:]))
        found.append((density.detach(), geometry.detach(), *gradient))
    for mine, other in zip(*found, strict=True):
        assert mine.dtype == other.dtype
        torch.testing.assert_close(mine, other, **_within(mine.dtype))


@COUNTS
@KINDS
def test_sigmoid_and_its_gradient(
    device: torch.device, generator: torch.Generator, count: int, kind: torch.dtype
) -> None:
    logits = (20 * torch.randn(count, 3, generator=generator, device=device)).to(kind)
    logits[:1] = torch.tensor([math.nan, 200.0, -200.0], device=device)
    upstream = torch.randn(count, 3, generator=generator, device=device)
    found = []
    for backend in ("triton", "reference"):
        leaf = logits.clone().requires_grad_()
        color = sigmoid(leaf, backend)
        found.append((color.detach(), *torch.autograd.grad(color, leaf, upstream)))
    for mine, other in zip(*found, strict=True):
        assert mine.dtype == other.dtype
        torch.testing.assert_close(mine, other, **_within(mine.dtype))
