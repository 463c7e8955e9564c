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
