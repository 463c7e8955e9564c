"""Densities and colours from networks' outputs, and what their gradients are."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.activations import TruncatedExp, density_head, sigmoid, split_head


def test_truncated_exp_is_exp_with_a_bounded_gradient() -> None:
    x = torch.tensor([-20.0, 0.0, 3.0, 20.0], requires_grad=True)
    y = TruncatedExp.apply(x)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), x.detach().exp())
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([math.exp(-15), 1, math.exp(3), math.exp(15)], rel=1e-5)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_head_has_the_gradient_of_its_parts(kind: torch.dtype) -> None:
    output = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).to(kind)
    leaf, plain = output.clone().requires_grad_(), output.clone().requires_grad_()
    for first, others in (split_head(leaf), (plain[:, 0].float(), plain[:, 1:])):
        ((first**2).sum() + (3 * others).sum().float()).backward()
    assert leaf.grad is not None
    assert plain.grad is not None
    assert torch.equal(leaf.grad, plain.grad)
    assert leaf.grad.dtype == kind


def test_a_density_is_the_exponential_of_the_first_output() -> None:
    density, geometry = density_head(torch.tensor([[0.0, 5.0, 6.0], [math.log(3), 7.0, 8.0]]))
    assert density.tolist() == pytest.approx([1, 3])
    assert geometry.tolist() == [[5, 6], [7, 8]]


def test_a_colour_is_float32_whatever_the_network_is() -> None:
    color = sigmoid(torch.tensor([[0.0, 100.0, -100.0]], dtype=torch.bfloat16))
    assert color.dtype == torch.float32
    assert color[0].tolist() == pytest.approx([0.5, 1, 0])
