"""Small networks: by hand, gradients by differences, and what is refused."""

from __future__ import annotations

import itertools

import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels.mlp import fusible, mlp


def test_relu_lies_between_the_layers_only() -> None:
    weights = [torch.tensor([[1.0, 0.0], [0.0, -1.0]]), torch.tensor([[1.0, 1.0], [-2.0, 0.0]])]
    # hidden: max(0, 3) and max(0, −4)
    assert mlp(torch.tensor([[3.0, 4.0]]), weights).tolist() == [[3.0, -6.0]]


def test_a_type_rounds_the_result() -> None:
    weights = [torch.eye(2), torch.eye(2)]
    out = mlp(torch.tensor([[1.001, 2.0]]), weights, "bf16")
    assert out.dtype == torch.bfloat16
    assert out.tolist() == [[1.0, 2.0]]


def test_gradients_are_those_of_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=generator, requires_grad=True)
    weights = [
        torch.randn(shape, generator=generator, requires_grad=True) for shape in [(5, 3), (2, 5)]
    ]
    direction = [torch.randn(v.shape, generator=generator) for v in (x, *weights)]

    def value(eps: float) -> torch.Tensor:
        moved = [v.detach() + eps * d for v, d in zip((x, *weights), direction, strict=True)]
        return mlp(moved[0], moved[1:]).square().sum()

    gradients = torch.autograd.grad(mlp(x, weights).square().sum(), (x, *weights))
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
    assert float(slope) == pytest.approx(float(value(1e-3) - value(-1e-3)) / 2e-3, rel=1e-2)


def test_narrow_networks_in_few_bits_can_be_fused() -> None:
    def matrices(*widths: int) -> list[torch.Tensor]:
        return [torch.empty(o, i) for i, o in itertools.pairwise(widths)]

    assert fusible(matrices(32, 64, 64, 3), "bf16")
    assert not fusible(matrices(32, 64, 64, 3), "fp32")
    assert not fusible(matrices(32, 256, 3), "bf16")
    assert not fusible(matrices(8, 8), "fp16")
    assert not fusible(matrices(8, 8, 8, 8, 8, 8), "fp16")


def test_an_unknown_precision_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="bf16"):
        mlp(torch.ones(1, 1), [torch.ones(1, 1)], "half")
