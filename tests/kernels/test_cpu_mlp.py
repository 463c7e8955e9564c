"""The CPU's kernels of small networks, against the definition in float64."""

from __future__ import annotations

import itertools
import math

import numba
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effbench.kernels.mlp import mlp, mlp_reference
from effbench.machine import threads

CHUNK = 512  # rows that the kernels take at once, 8 at a time


def network(widths: tuple[int, ...], rows: int, seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    weights = [
        (torch.randn(o, i, generator=generator) / math.sqrt(i)).requires_grad_()
        for i, o in itertools.pairwise(widths)
    ]
    return torch.randn(rows, widths[0], generator=generator, requires_grad=True), weights


def results(backend: str, x: Tensor, weights: list[Tensor], double: bool = False) -> list[Tensor]:
    """Return the outputs, and the gradients of x and of the weights."""
    kind = torch.float64 if double else torch.float32
    x, *weights = (tensor.detach().to(kind).requires_grad_() for tensor in (x, *weights))
    out = mlp_double(x, weights) if double else mlp(x, weights, backend=backend)
    generator = torch.Generator().manual_seed(1)
    slope = torch.randn(out.shape, generator=generator).to(kind)
    return [out.detach(), *torch.autograd.grad(out, (x, *weights), slope)]


def mlp_double(x: Tensor, weights: list[Tensor]) -> Tensor:
    *hidden, last = weights
    for weight in hidden:
        x = torch.relu(x @ weight.T)
    return x @ last.T


def off(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a share of the largest entry."""
    if not expected.numel():
        return 0.0
    return float((found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize("widths", [(16, 32, 16), (31, 32, 32, 3), (3, 24, 8, 40, 1)])
def test_outputs_and_gradients_are_those_of_float64(widths: tuple[int, ...], rows: int) -> None:
    x, weights = network(widths, rows)
    found, expected = results("cpu", x, weights), results("", x, weights, double=True)
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in expected]
    assert max(off(*pair) for pair in zip(found, expected, strict=True)) < 1e-5


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 128), min_size=3, max_size=4),
    st.integers(0, 2 * CHUNK),
    st.integers(0, 2**16),
)
def test_any_widths_and_rows_will_do(widths: list[int], rows: int, seed: int) -> None:
    x, weights = network(tuple(widths), rows, seed)
    found, expected = results("cpu", x, weights), results("", x, weights, double=True)
    assert max(off(*pair) for pair in zip(found, expected, strict=True)) < 1e-5


def test_threads_share_rows_without_a_race() -> None:
    """Outputs do not depend on their number; sums over rows only by rounding, and not between runs
    with the same number."""
    if numba.get_num_threads() < 2:
        pytest.skip("needs 2 threads")
    x, weights = network((31, 32, 32, 3), 20 * CHUNK + 3)
    found = {}
    for count in (1, 2):
        with threads.at_most(count):
            found[count] = results("cpu", x, weights)
            again = results("cpu", x, weights)
        assert all(map(torch.equal, found[count], again))
    assert torch.equal(found[1][0], found[2][0])
    assert torch.equal(found[1][1], found[2][1])
    assert max(off(a, b.double()) for a, b in zip(found[1], found[2], strict=True)) < 1e-5


def test_nan_stays() -> None:
    x, weights = network((5, 8, 2), 20)
    with torch.no_grad():
        x[3, 1] = math.nan
    out, d_x, d_first, d_last = results("cpu", x, weights)
    assert out[3].isnan().all()
    assert not out[4:].isnan().any()
    assert d_x[3].isnan().any() == results("reference", x, weights)[1][3].isnan().any()
    assert d_first.isnan().any()
    assert d_last.isnan().any()


def test_without_gradients_nothing_is_kept() -> None:
    kept = []
    x, weights = network((5, 8, 2), 20)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.shape), lambda _: x
    ):
        with torch.no_grad():
            mlp(x, weights, backend="cpu")
        assert not kept
        mlp(x, weights, backend="cpu")
    assert torch.Size([24, 16]) in kept  # 8 neurons and 20 rows in whole tiles


def test_wide_networks_are_the_reference_s() -> None:
    x, weights = network((5, 200, 2), 20)
    assert torch.equal(mlp(x, weights, backend="cpu"), mlp_reference(x, weights))
