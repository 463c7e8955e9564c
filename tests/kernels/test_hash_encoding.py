"""Hash encoding: the layout by hand, numba against the definition, gradients by differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels.cpu import hash_encoding as cpu
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout

# level 0 to 2 dense, 3 to 7 hashed
LAYOUT = HashLayout(levels=8, log2_table=12, base=4, finest=100)


@pytest.fixture
def ray_points() -> torch.Tensor:
    """Points as a marcher gives them, runs of neighbours in one cell; and the cube's corners."""
    generator = torch.Generator().manual_seed(0)
    starts = torch.rand(60, 1, 3, generator=generator)
    along = torch.arange(32)[None, :, None] * 0.002
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 1]])
    return torch.cat([(starts + along).clamp(0, 1).flatten(0, 1), corners])


@pytest.fixture
def table() -> torch.Tensor:
    return torch.randn(LAYOUT.rows, 2, generator=torch.Generator().manual_seed(1))


def test_layout_of_the_paper_grows_by_1_38_per_level() -> None:
    layout = HashLayout(levels=16, log2_table=19, base=16, finest=2048)
    growth = (layout.scales[1:] + 1) / (layout.scales[:-1] + 1)
    assert growth == pytest.approx(np.full(15, 1.3819), abs=1e-4)
    assert layout.scales[0] == 15
    assert layout.strides[0] == 17  # lattice coordinates 0.5 to 15.5: vertices 0 to 16
    assert layout.width == 32


def test_levels_are_dense_while_their_vertices_fit_in_the_table() -> None:
    assert LAYOUT.dense.tolist() == [True, True, True, False, False, False, False, False]
    assert LAYOUT.strides[:3].tolist() == [5, 8, 12]
    # 125 and 512 and 1728 vertices, rounded up to multiples of 8, then 4096 per hashed level
    assert LAYOUT.offsets.tolist() == [0, 128, 640, 2368, *range(6464, 6464 + 5 * 4096, 4096)]


def test_a_dense_level_interpolates_its_eight_vertices() -> None:
    layout = HashLayout(levels=1, log2_table=10, base=3, finest=3)
    assert layout.strides.tolist() == [4]
    table = torch.zeros(layout.rows, 2)
    table[1 + 4 * (1 + 4 * 1)] = torch.tensor([1.0, 10.0])  # vertex (1, 1, 1)
    # scale 2: x = 0.375 is lattice 1.25, so the vertex has weight 0.75 on every axis
    encoded = hash_encode(torch.full((1, 3), 0.375), table, layout)
    assert encoded[0].tolist() == pytest.approx([0.75**3, 10 * 0.75**3])


def test_a_hashed_level_uses_the_three_primes() -> None:
    layout = HashLayout(levels=1, log2_table=4, base=8, finest=8)
    vertex = (5 ^ (3 * 2654435761 & 0xFFFFFFFF) ^ (6 * 805459861 & 0xFFFFFFFF)) % 16
    table = torch.zeros(16, 2)
    table[vertex] = 1.0
    position = (torch.tensor([[5.0, 3.0, 6.0]]) - 0.5) / 7  # exactly on vertex (5, 3, 6)
    assert hash_encode(position, table, layout)[0].tolist() == pytest.approx([1, 1], abs=1e-5)


def test_numba_equals_the_definition(ray_points: torch.Tensor, table: torch.Tensor) -> None:
    fast = hash_encode(ray_points, table, LAYOUT, "cpu")
    exact = hash_encode(ray_points.double(), table.double(), LAYOUT, "reference")
    torch.testing.assert_close(fast.double(), exact, rtol=1e-4, atol=2e-4)


def test_numba_gradient_equals_the_definition(
    ray_points: torch.Tensor, table: torch.Tensor
) -> None:
    upstream = torch.randn(
        len(ray_points), LAYOUT.width, generator=torch.Generator().manual_seed(2)
    )
    table.requires_grad_()
    (fast,) = torch.autograd.grad(hash_encode(ray_points, table, LAYOUT, "cpu"), table, upstream)
    double = table.detach().double().requires_grad_()
    exact_output = hash_encode(ray_points.double(), double, LAYOUT, "reference")
    (exact,) = torch.autograd.grad(exact_output, double, upstream.double())
    torch.testing.assert_close(fast.double(), exact, rtol=1e-4, atol=1e-3)
    assert (fast != 0).any()


def test_the_definition_has_the_gradient_of_finite_differences() -> None:
    layout = HashLayout(levels=3, log2_table=4, base=2, finest=7)
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    table = torch.randn(layout.rows, 2, generator=generator, dtype=torch.float64)
    table.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: hash_encode(points, t, layout, "reference"), table)


def test_known_features_are_reused_and_keep_their_gradient(
    ray_points: torch.Tensor, table: torch.Tensor
) -> None:
    table.requires_grad_()
    fresh = hash_encode(ray_points, table, LAYOUT)
    reused = hash_encode(ray_points, table, LAYOUT, encoded=fresh.detach())
    assert torch.equal(reused, fresh)
    (expected,) = torch.autograd.grad(fresh.square().sum(), table)
    (actual,) = torch.autograd.grad(reused.square().sum(), table)
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("shares", [2, 3])
def test_sharing_a_level_among_threads_changes_nothing(
    ray_points: torch.Tensor, shares: int
) -> None:
    upstream = torch.ones(len(ray_points), LAYOUT.width)

    def gradient(shares: int) -> np.ndarray:
        grad = np.zeros((LAYOUT.rows, 2), np.float32)
        arrays = (LAYOUT.scales, LAYOUT.strides, LAYOUT.dense, LAYOUT.offsets, grad)
        order = np.arange(LAYOUT.levels)
        cpu._backward_in_shares(ray_points.numpy(), upstream.numpy(), *arrays, order, shares)
        return grad

    np.testing.assert_array_equal(gradient(shares), gradient(1))
    whole = np.zeros((LAYOUT.rows, 2), np.float32)
    cpu.backward(ray_points.numpy(), upstream.numpy(), LAYOUT, whole)
    np.testing.assert_allclose(gradient(shares), whole, rtol=1e-4, atol=1e-4)


def test_no_points_encode_to_no_features(table: torch.Tensor) -> None:
    table.requires_grad_()
    encoded = hash_encode(torch.empty(0, 3), table, LAYOUT)
    assert encoded.shape == (0, LAYOUT.width)
    encoded.sum().backward()
    assert table.grad is not None
    assert not table.grad.any()


def test_a_layout_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="base ≤ finest"):
        HashLayout(levels=4, log2_table=10, base=32, finest=16)
