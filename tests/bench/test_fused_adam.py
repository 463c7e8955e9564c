"""Adam: torch's own beside ours, states that either can load, copies in half precision."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from bench.fused_adam import FusedAdam
from effbench.errors import ConfigError

OPTIONS: dict[str, Any] = {"betas": (0.9, 0.99), "eps": 1e-15, "weight_decay": 0.01}


def gradients(steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(50, generator=generator) * (torch.arange(50) % 3) for _ in range(steps)]


def run(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, steps: int) -> None:
    for gradient in gradients(steps):
        parameter.grad = gradient
        optimizer.step()


@pytest.mark.parametrize("lr", [0.01, torch.tensor(0.01)])
def test_it_follows_torch(lr: float | torch.Tensor) -> None:
    ours, theirs = (torch.ones(50, requires_grad=True) for _ in range(2))
    run(FusedAdam([ours], lr, **OPTIONS), ours, 7)
    run(torch.optim.Adam([theirs], 0.01, **OPTIONS), theirs, 7)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_an_entry_without_gradient_goes_on_moving() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = FusedAdam([parameter], 0.1)
    seen = []
    for gradient in (1.0, 0.0):
        parameter.grad = torch.full((1,), gradient)
        optimizer.step()
        seen.append(parameter.item())
    assert seen[0] == pytest.approx(-0.1)
    assert seen[1] < seen[0]


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_run_goes_on_with_the_others_state(ours_first: bool) -> None:
    parameter = torch.ones(50, requires_grad=True)
    kinds = [FusedAdam, torch.optim.Adam]
    first, second = kinds if ours_first else kinds[::-1]
    begun = first([parameter], lr=0.01, **OPTIONS)
    run(begun, parameter, 3)
    expected = parameter.detach().clone().requires_grad_()
    same = first([expected], lr=0.01, **OPTIONS)
    same.load_state_dict(copy.deepcopy(begun.state_dict()))
    other = second([parameter], lr=0.01, **OPTIONS)
    state = copy.deepcopy(begun.state_dict())
    for group, new in zip(state["param_groups"], other.param_groups, strict=True):
        group["capturable"] = new["capturable"]  # torch's own refuses it on a CPU
    other.load_state_dict(state)
    run(other, parameter, 3)
    run(same, expected, 3)
    torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-6)


def test_a_copy_is_brought_up_to_date_in_place() -> None:
    parameter = torch.ones(50, requires_grad=True)
    optimizer = FusedAdam([parameter], 0.1)
    half = optimizer.copy_of(parameter, torch.bfloat16)
    run(optimizer, parameter, 2)
    assert torch.equal(half, parameter.detach().to(torch.bfloat16))
    assert optimizer.copy_of(parameter, torch.bfloat16) is half


def test_what_has_no_gradient_stays() -> None:
    parameter = torch.ones(3, requires_grad=True)
    FusedAdam([parameter], 0.1).step()
    assert parameter.tolist() == [1, 1, 1]


def test_bad_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="betas in"):
        FusedAdam([torch.ones(1, requires_grad=True)], betas=(1.0, 0.9))
    half = torch.ones(1, dtype=torch.bfloat16, requires_grad=True)
    half.grad = torch.ones_like(half)
    with pytest.raises(ConfigError, match="float32 parameters only"):
        FusedAdam([half]).step()
