"""Hash encoding in Triton: features and gradients are those of the definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout

LAYOUT = HashLayout(levels=4, log2_table=10, base=4, finest=60)  # two dense levels, two hashed


@pytest.fixture
def points(device: torch.device, scale: int, generator: torch.Generator) -> torch.Tensor:
    """Points as a marcher gives them, runs of neighbours, a number that fills no block; corners."""
    starts = torch.rand(13 * scale, 1, 3, generator=generator, device=device)
    along = torch.arange(29, device=device)[None, :, None] * 0.003
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 1]], device=device)
    return torch.cat([(starts + along).clamp(0, 1).flatten(0, 1), corners])


@pytest.fixture
def table(device: torch.device, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(LAYOUT.rows, 2, generator=generator, device=device)


def exact_gradient(points: torch.Tensor, table: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    table = table.detach().double().requires_grad_()
    features = hash_encode(points.double(), table, LAYOUT, "reference")
    return torch.autograd.grad(features, table, up.double())[0]


def test_features_and_gradients(
    points: torch.Tensor, table: torch.Tensor, generator: torch.Generator
) -> None:
    table.requires_grad_()
    features = hash_encode(points, table, LAYOUT, "triton")
    exact = hash_encode(points.double(), table.double(), LAYOUT, "reference")
    torch.testing.assert_close(features.double(), exact, rtol=1e-6, atol=5e-5)
    upstream = torch.randn(features.shape, generator=generator, device=features.device)
    (gradient,) = torch.autograd.grad(features, table, upstream)
    expected = exact_gradient(points, table, upstream)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-3, atol=2e-3)
    assert gradient.any()


def test_known_features_keep_their_gradient(points: torch.Tensor, table: torch.Tensor) -> None:
    table.requires_grad_()
    fresh = hash_encode(points, table, LAYOUT, "triton")
    reused = hash_encode(points, table, LAYOUT, "triton", encoded=fresh.detach())
    assert torch.equal(reused, fresh)
    (expected,) = torch.autograd.grad(fresh.square().sum(), table)
    (actual,) = torch.autograd.grad(reused.square().sum(), table)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_nan_stays_nan(points: torch.Tensor, table: torch.Tensor) -> None:
    """In the rows of the table that were reached by it, and in the gradient of the features."""
    with torch.no_grad():
        table[::7] = math.nan
    table.requires_grad_()
    upstream = torch.zeros(len(points), LAYOUT.width, device=points.device)
    upstream[::50, ::3] = math.nan
    found = []
    for backend in ("triton", "reference"):
        features = hash_encode(points, table, LAYOUT, backend)
        (gradient,) = torch.autograd.grad(features, table, upstream)
        found.append((features.isnan(), gradient.isnan()))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
        assert 0 < ours.float().mean() < 1


@pytest.mark.parametrize("zeros", ["tail", "one ray", "all"])
def test_samples_without_gradient(
    points: torch.Tensor, table: torch.Tensor, generator: torch.Generator, zeros: str
) -> None:
    """They add nothing, which is all the same to the sums: slots of the tail, whole rays."""
    table.requires_grad_()
    points = torch.cat([points, torch.full((600, 3), 0.5, device=points.device)])
    shape = (len(points), LAYOUT.width)
    upstream = torch.randn(shape, generator=generator, device=points.device)
    upstream[{"tail": slice(-600, None), "one ray": slice(29, 58), "all": slice(None)}[zeros]] = 0
    features = hash_encode(points, table, LAYOUT, "triton")
    (gradient,) = torch.autograd.grad(features, table, upstream)
    expected = exact_gradient(points, table, upstream)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-3, atol=2e-3)
    assert torch.equal(gradient[expected == 0], torch.zeros_like(gradient[expected == 0]))
    assert gradient.any() == (zeros != "all")


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_nothing_is_added_for_samples_without_gradient(
    device: torch.device, table: torch.Tensor, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Counted are the numbers added to memory, which only the interpreter tells."""
    if device.type != "cpu":
        pytest.skip("a GPU does not tell what is added: TRITON_INTERPRET=1 does")
    from triton.runtime.interpreter import InterpreterBuilder

    added = [0]
    add = InterpreterBuilder.create_atomic_rmw

    def counted(builder: Any, operation: Any, place: Any, value: Any, mask: Any, *more: Any) -> Any:
        added[0] += int(mask.data.sum())
        return add(builder, operation, place, value, mask, *more)

    monkeypatch.setattr(InterpreterBuilder, "create_atomic_rmw", counted)
    lanes, run = 32, 16
    points = torch.full((lanes * run, 3), 0.5, device=device)  # one cell for all
    upstream = torch.zeros(len(points), LAYOUT.width, device=device)
    upstream[: int(share * lanes) * run] = 1.0
    table.requires_grad_()
    torch.autograd.grad(hash_encode(points, table, LAYOUT, "triton"), table, upstream)
    assert added[0] == share * lanes * 8 * 2 * LAYOUT.levels


@pytest.mark.parametrize("count", [0, 1])
def test_few_points(table: torch.Tensor, count: int) -> None:
    table.requires_grad_()
    points = torch.full((count, 3), 0.3, device=table.device)
    features = hash_encode(points, table, LAYOUT, "triton")
    assert features.shape == (count, LAYOUT.width)
    (gradient,) = torch.autograd.grad(features.sum(), table)
    # the weights of a cell's vertices add up to 1, at every level and for both features
    assert gradient.sum().item() == pytest.approx(count * LAYOUT.width)
