"""Fused networks in Triton: outputs are those of double precision and gradients the reference's,
within the rounding of the type they compute in."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from effbench.kernels.backends import interpreting
from effbench.kernels.mlp import mlp, mlp_reference, why_not_fused

# inputs, hidden widths, outputs: Instant-NGP's two networks, a pruned one, the deepest, the widest
SHAPES = [(32, 64, 16), (31, 64, 64, 3), (10, 23, 17, 5), (16, 16, 16, 16, 1), (40, 128, 128, 3)]


def network(
    shape: tuple[int, ...], rows: int, generator: torch.Generator
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    device = generator.device
    x = torch.randn(rows, shape[0], generator=generator, device=device).requires_grad_()
    weights = [
        (torch.randn(o, i, generator=generator, device=device) * (2 / i) ** 0.5).requires_grad_()
        for i, o in itertools.pairwise(shape)
    ]
    return x, weights


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients(
    generator: torch.Generator, scale: int, shape: tuple[int, ...], precision: str
) -> None:
    x, weights = network(shape, 300 * scale, generator)
    if reason := why_not_fused(weights, precision, x.device, "triton"):
        assert x.is_cuda, "the interpreter has the room of the largest GPU"
        assert "do not fit" in reason
    out = mlp(x, weights, precision, "triton")
    exact = x.detach().double()
    for weight in weights[:-1]:
        exact = (exact @ weight.detach().double().T).relu()
    exact = exact @ weights[-1].detach().double().T
    rounding = roundings(precision)
    assert relative_error(out.detach(), exact) < rounding
    upstream = torch.randn(out.shape, generator=generator, device=out.device).to(out.dtype)
    gradients = torch.autograd.grad(out, (x, *weights), upstream)
    # not in double precision: there, other neurons are 0 than with rounded activations
    rounded = mlp_reference(x, weights, precision)
    slopes = torch.autograd.grad(rounded, (x, *weights), upstream)
    for ours, theirs in zip(gradients, slopes, strict=True):
        assert ours.dtype == torch.float32
        assert relative_error(ours, theirs) < rounding


def test_gradients_need_no_forward_pass_of_their_own(generator: torch.Generator) -> None:
    x, weights = network((32, 64, 16), 300, generator)
    out = mlp(x, weights, "bf16", "triton")
    known = out.detach().clone()
    again = mlp(x, weights, "bf16", "triton", known=known)
    assert torch.equal(out, again)
    assert again.data_ptr() == known.data_ptr()  # nothing was computed
    upstream = torch.randn(out.shape, generator=generator, device=out.device).to(out.dtype)
    pairs = [torch.autograd.grad(value, (x, *weights), upstream) for value in (out, again)]
    assert all(map(torch.equal, *pairs))


def roundings(precision: str) -> float:
    """Return the relative error that some layers of roundings may add up to."""
    if precision == "fp16":
        return 0.003
    return 0.2 if interpreting() else 0.02  # the interpreter cuts bits off instead of rounding


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


@pytest.mark.parametrize("rows", [0, 1, 128, 129])
def test_rows_that_fill_no_block(generator: torch.Generator, rows: int) -> None:
    x, weights = network((20, 32, 3), rows, generator)
    x = x.detach()  # nothing wants its gradient: encodings of directions
    out = mlp(x, weights, "bf16", "triton")
    expected = mlp_reference(x, weights, "bf16")
    assert out.shape == expected.shape
    gradients = torch.autograd.grad(out.float().sum(), weights)
    slopes = torch.autograd.grad(expected.float().sum(), weights)
    for ours, theirs in zip((out, *gradients), (expected, *slopes), strict=True):
        difference = (ours - theirs).double().norm()
        assert difference <= roundings("bf16") * theirs.double().norm()


@pytest.mark.parametrize("where", range(5))
def test_nan_stays_nan(generator: torch.Generator, where: int) -> None:
    """In the inputs and in each matrix, whose first layers' neurons may be off: a network that
    diverged has to be seen to have."""
    x, weights = network((10, 23, 17, 5, 3), 70, generator)
    values = (x, *weights)
    with torch.no_grad():
        values[where][2, 1] = math.nan
    found = []
    for backend in ("triton", "reference"):
        out = mlp(x, weights, "fp16", backend)
        gradients = torch.autograd.grad(out.float().sum(), values)
        found.append([value.isnan() for value in (out, *gradients)])
    assert found[0][0].any()
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


def test_a_gradient_of_nan_stays_nan(generator: torch.Generator) -> None:
    """As in the definition in float32: some processors' units for bf16 work on two rows at once,
    and let the NaN of one into the other."""
    x, weights = network((10, 23, 5), 70, generator)
    upstream = torch.zeros(70, 5, device=x.device)
    upstream[2, 1] = math.nan
    with torch.no_grad():  # one term in each neuron's sum: which are off no rounding decides
        x[2] = 0
        x[2, 3] = 1
    found = []
    for backend, precision in (("triton", "bf16"), ("reference", "fp32")):
        out = mlp(x, weights, precision, backend)
        found.append(torch.autograd.grad(out, (x, *weights), upstream.to(out.dtype)))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert ours.isnan().any()


def test_what_cannot_be_fused_is_the_references(generator: torch.Generator) -> None:
    x, weights = network((8, 200, 3), 10, generator)
    assert why_not_fused(weights, "bf16", x.device, "triton") == "200 wide"
    assert torch.equal(mlp(x, weights, "bf16", "triton"), mlp_reference(x, weights, "bf16"))
    x, weights = network((8, 16, 3), 10, generator)
    assert torch.equal(mlp(x, weights, "fp32", "triton"), mlp_reference(x, weights))
