"""Adam in Triton follows torch's own, step by step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from bench.fused_adam import FusedAdam


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("on_device", [False, True])
def test_five_steps(
    device: torch.device, generator: torch.Generator, weight_decay: float, on_device: bool
) -> None:
    start = torch.randn(3000, 1, generator=generator, device=device)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    lr = torch.tensor(0.02, device=device) if on_device else 0.02
    more: dict[str, Any] = {"betas": (0.9, 0.99), "eps": 1e-15, "weight_decay": weight_decay}
    fused = FusedAdam([ours], lr, backend="triton", **more)
    reference = torch.optim.Adam([theirs], 0.02, **more)
    copy = fused.copy_of(ours, torch.float16)
    for k in range(5):
        gradient = torch.randn(start.shape, generator=generator, device=device) * 10**-k
        gradient[::3] = 0  # these go on moving
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        fused.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for name in ("step", "exp_avg", "exp_avg_sq"):
        a, b = fused.state[ours][name], reference.state[theirs][name]
        torch.testing.assert_close(a.cpu(), b.cpu(), rtol=1e-5, atol=1e-9)
    assert torch.equal(copy, ours.to(torch.float16))


def test_a_gradient_of_nan_stays_nan(device: torch.device) -> None:
    parameter = torch.zeros(5, device=device).requires_grad_()
    parameter.grad = torch.tensor([0.0, math.nan, 1.0, 1.0, 1.0], device=device)
    optimizer = FusedAdam([parameter], 0.1, backend="triton")
    optimizer.step()
    seen = [False, True, False, False, False]
    for value in (parameter, *(optimizer.state[parameter][k] for k in ("exp_avg", "exp_avg_sq"))):
        assert value.isnan().tolist() == seen
