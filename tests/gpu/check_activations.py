"""Densities and colours in Triton equal the definitions, their gradients too."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.activations import density_head, sigmoid

COUNTS = pytest.mark.parametrize("count", [0, 1, 1500])
KINDS = pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])


@COUNTS
@KINDS
def test_density_and_its_gradient(
    device: torch.device, generator: torch.Generator, count: int, kind: torch.dtype
) -> None:
    output = 8 * torch.randn(count, 16, generator=generator, device=device)
    output[:1, 0] = math.nan  # of a run that has diverged
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
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=0, equal_nan=True)


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
        exact = mine.dtype == torch.float32
        torch.testing.assert_close(
            mine, other, rtol=1e-5 if exact else 8e-3, atol=1e-7, equal_nan=True
        )
