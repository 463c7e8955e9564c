"""The loss of a step in Triton equals the definition, its gradient too."""

from __future__ import annotations

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
def test_nan_of_a_complete_ray_is_kept_and_of_another_is_not(
    device: torch.device, generator: torch.Generator, kind: str
) -> None:
    """A loss that is no number ends a cell as diverged: it must not be lost."""
    color, target = torch.rand(2, 300, 3, generator=generator, device=device).unbind(0)
    counts = torch.arange(300, device=device) < 290
    color[295, 1] = torch.nan  # of a ray that is not complete
    found = {}
    for name, broken in (("without", color), ("with", color.clone())):
        if name == "with":
            broken[17, 2] = torch.nan
        for backend in ("triton", "reference"):
            leaf = broken.clone().requires_grad_()
            loss = pixel_loss(leaf, target, counts, counts.sum(), kind, backend)
            (gradient,) = torch.autograd.grad(loss, leaf)
            found[name, backend] = loss.detach(), gradient[:290]
    for name in ("without", "with"):
        for mine, other in zip(found[name, "triton"], found[name, "reference"], strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-8, equal_nan=True)
    assert found["without", "triton"][0].isfinite()
    assert found["with", "triton"][0].isnan()
    assert found["with", "triton"][1].isnan().nonzero().tolist() == [[17, 2]]
