"""The loss of a step in Triton equals the definition, its gradient too."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.pixel_loss import pixel_loss


@pytest.mark.parametrize("kind", ["mse", "huber"])
@pytest.mark.parametrize(("rays", "complete"), [(1, 1), (256, 0), (700, 655), (1024, 1024)])
def test_loss_and_gradient(
    device: torch.device, generator: torch.Generator, rays: int, complete: int, kind: str
) -> None:
    color, target = torch.rand(2, rays, 3, generator=generator, device=device).unbind(0)
    color = color * 0.3 + target * 0.7  # some errors on either side of Huber's δ
    color[complete:] = 7.0
    counts = torch.arange(rays, device=device) < complete
    found = []
    for backend in ("triton", "reference"):
        leaf = color.clone().requires_grad_()
        loss = pixel_loss(leaf, target, counts, counts.sum(), kind, backend)
        found.append((loss.detach(), *torch.autograd.grad(3 * loss, leaf)))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", ["mse", "huber"])
@pytest.mark.parametrize("ray", [0, 300, 699])
def test_nan_of_a_complete_ray_stays_nan(
    device: torch.device, generator: torch.Generator, ray: int, kind: str
) -> None:
    color, target = torch.rand(2, 700, 3, generator=generator, device=device).unbind(0)
    color[ray, 1] = math.nan
    counts = torch.ones(700, dtype=torch.bool, device=device)
    found = []
    for backend in ("triton", "reference"):
        leaf = color.clone().requires_grad_()
        loss = pixel_loss(leaf, target, counts, counts.sum(), kind, backend)
        assert loss.isnan()
        found.append(torch.autograd.grad(loss, leaf)[0])
    ours, theirs = found
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert ours.isnan().nonzero().tolist() == [[ray, 1]]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_nan_of_an_incomplete_ray_changes_nothing(
    device: torch.device, generator: torch.Generator, kind: str
) -> None:
    color, target = torch.rand(2, 700, 3, generator=generator, device=device).unbind(0)
    counts = torch.arange(700, device=device) < 655
    broken = color.clone()
    broken[660, 1] = math.nan
    losses = [
        pixel_loss(colors, target, counts, counts.sum(), kind, "triton")
        for colors in (color, broken)
    ]
    assert torch.equal(*losses)
    assert losses[0] > 0
    leaf = broken.requires_grad_()
    loss = pixel_loss(leaf, target, counts, counts.sum(), kind, "triton")
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert gradient[:655].all()
    assert not gradient[655:].any()
