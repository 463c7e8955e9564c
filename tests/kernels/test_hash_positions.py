"""The gradient of hash encoding by positions: against the definition, and finite differences."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.hash_encoding import hash_encode, hash_encode_reference
from effbench.kernels.hash_layout import HashLayout

LAYOUTS = [HashLayout(4, 8, 4, 40), HashLayout(1, 12, 8, 8), HashLayout(16, 10, 4, 200)]


def case(layout: HashLayout, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(layout.levels)
    positions = torch.rand(count, 3, generator=generator)
    table = torch.randn(layout.rows, 2, generator=generator)
    return positions, table, torch.randn(count, layout.width, generator=generator)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 1023, 1024, 3000])
def test_it_is_that_of_the_definition(layout: HashLayout, count: int) -> None:
    positions, table, gradient = case(layout, count)
    found = []
    for encode in (hash_encode, hash_encode_reference):
        points = positions.clone().requires_grad_()
        own = table.clone().requires_grad_()
        features = encode(points, own, layout)
        found.append(torch.autograd.grad(features, (points, own), gradient))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-2)


def test_the_definition_has_the_slope_of_finite_differences() -> None:
    layout = LAYOUTS[0]
    positions, table, gradient = (each.double() for each in case(layout, 30))
    points = positions.clone().requires_grad_()
    features = hash_encode_reference(points, table, layout)
    (slope,) = torch.autograd.grad(features, points, gradient)
    step = 1e-7
    for axis in range(3):
        ahead = positions.clone()
        ahead[:, axis] += step
        change = (hash_encode_reference(ahead, table, layout) - features.detach()) * gradient
        found = change.sum(1) / step
        close = torch.isclose(found, slope[:, axis], rtol=1e-4, atol=1e-3)
        assert close.float().mean() > 0.95, "but for points whose step leaves their cell"


def test_positions_that_ask_for_no_gradient_get_none() -> None:
    layout = LAYOUTS[0]
    positions, table, gradient = case(layout, 10)
    hash_encode(positions, table.requires_grad_(), layout).backward(gradient)
    assert positions.grad is None
    assert table.grad is not None
