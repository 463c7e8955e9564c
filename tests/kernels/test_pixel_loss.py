"""The loss of a step: the mean over the rays that are complete."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.pixel_loss import pixel_loss

COLOR = torch.tensor([[0.5, 0.5, 0.5], [0.05, 0.0, 0.0], [math.nan, 0.0, 0.0]])
COMPLETE = torch.tensor([True, True, False])
LOSSES = {"mse": [0.25, 0.05**2 / 3], "huber": [0.1 * (0.5 - 0.05), 0.05**2 / 6]}  # of the rays


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_it_is_the_mean_over_complete_rays_whatever_the_others_are(kind: str) -> None:
    color = COLOR.clone().requires_grad_()
    loss = pixel_loss(color, torch.zeros(3, 3), COMPLETE, COMPLETE.sum(), kind)
    assert float(loss.detach()) == pytest.approx(sum(LOSSES[kind]) / 2)
    (gradient,) = torch.autograd.grad(loss, color)
    assert gradient[1].tolist() == pytest.approx([(2 if kind == "mse" else 1) * 0.05 / 6, 0, 0])
    assert gradient[2, 1:].tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_nan_of_a_complete_ray_is_a_loss_of_nan(kind: str) -> None:
    color = COLOR.clone().requires_grad_()
    complete = torch.ones(3, dtype=torch.bool)
    loss = pixel_loss(color, torch.zeros(3, 3), complete, complete.sum(), kind)
    assert loss.isnan()
    (gradient,) = torch.autograd.grad(loss, color)
    assert gradient.isnan().nonzero().tolist() == [[2, 0]]


def test_no_complete_ray_is_no_loss() -> None:
    none = torch.zeros(3, dtype=torch.bool)
    assert float(pixel_loss(COLOR, torch.zeros(3, 3), none, none.sum(), "mse")) == 0
