"""Networks, volume rendering and loss as one operation, against its parts in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effbench.kernels.mlp import mlp_reference
from effbench.kernels.pixel_loss import PixelLoss
from effbench.kernels.samples import offsets_of
from effbench.kernels.shading import shading_loss, shading_loss_reference, why_not_whole
from effbench.machine import threads

CHUNK = 512  # samples that the kernel takes at once, unless a ray has more
Case = tuple[list[Tensor], Tensor, list[Tensor]]


def case(
    counts: Sequence[int],
    features: int = 16,
    hidden: int = 32,
    geometry: int = 15,
    seed: int = 0,
) -> Case:
    """Return encoding, directions, deltas, background and target; offsets; and the matrices."""
    generator = torch.Generator().manual_seed(seed)
    rays, total = len(counts), sum(counts)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    shapes = [(hidden, features), (1 + geometry, hidden)]
    shapes += [(hidden, 16 + geometry), (hidden, hidden), (3, hidden)]
    weights = [normal(o, i) / math.sqrt(i) for o, i in shapes]
    # so that long rays let light through: behind walls, gradients are differences of nothings
    thin = min(0.5, 4 / max(*counts, 1, 1))
    deltas = torch.rand(total, generator=generator) * thin
    background = torch.rand(rays, 3, generator=generator)
    target = torch.rand(rays, 3, generator=generator)
    inputs = [normal(total, features), normal(rays, 16), deltas, background, target]
    return inputs, offsets_of(torch.tensor(counts, dtype=torch.int64)), weights


def results(
    found: Case, kind: str = "huber", double: bool = False, share: float = 1.0
) -> list[Tensor]:
    """Return loss, colours, optical depths, and the gradients of a share of the loss by encoding,
    background and matrices."""
    inputs, offsets, weights = found
    precision = torch.float64 if double else torch.float32
    encoded, directions, deltas, background, target = (x.to(precision) for x in inputs)
    trained = [x.to(precision).requires_grad_() for x in (encoded, background, *weights)]
    encoded, background, *matrices = trained
    arguments = (encoded, directions, deltas, offsets, background, target, PixelLoss(kind))
    networks = (matrices[:2], matrices[2:])
    if double:
        loss, color, depth = shading_loss_reference(*arguments, *networks)
    else:
        loss, color, depth = shading_loss(*arguments, *networks, "cpu")
    return [loss.detach(), color, depth, *torch.autograd.grad(share * loss, trained)]


def off(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a share of the largest entry."""
    if not expected.numel():
        return 0.0
    return float((found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


def differences(found: Case, kind: str = "huber", share: float = 1.0) -> list[float]:
    ours = results(found, kind, share=share)
    expected = results(found, kind, double=True, share=share)
    assert [x.shape for x in ours] == [x.shape for x in expected]
    return [off(*pair) for pair in zip(ours, expected, strict=True)]


@pytest.mark.parametrize(
    "counts",
    [
        [0, 0],
        [1],
        [3, 0, 5],
        [CHUNK],
        [CHUNK - 1, 1, 1],
        [2 * CHUNK + 3],  # a ray that alone is more than a chunk
        [7, CHUNK + 9, 0, 0, 2, 600],
        [4] * 700,
        [0] * 1200 + [1],  # rays that alone are more than a chunk has room for
    ],
)
@pytest.mark.parametrize("kind", ["huber", "mse"])
def test_loss_and_gradients_are_those_of_float64(counts: list[int], kind: str) -> None:
    rounding = 1e-5 * max(1.0, max(counts) / 256)  # a ray is one sum
    assert max(differences(case(counts), kind)) < rounding


def test_a_share_of_the_loss_has_that_share_of_its_gradients() -> None:
    assert max(differences(case([3, 0, 5]), share=0.25)) < 1e-5


def test_no_ray_has_no_gradient() -> None:
    _, color, depth, *gradients = results(case([]))
    assert color.shape == (0, 3)
    assert len(depth) == 0
    assert not any(gradient.any() for gradient in gradients)


def test_samples_behind_the_last_ray_have_no_gradient() -> None:
    """As in buffers of fixed size, whose tail is of no ray."""
    inputs, offsets, weights = case([3, 4, 2])
    _, _, depth, d_encoded, *_ = results((inputs, offsets.clamp_max(7), weights))
    assert not depth[7:].any()
    assert not d_encoded[7:].any()
    assert d_encoded[:7].any(1).all()


@pytest.mark.parametrize(
    ("features", "hidden", "geometry"), [(32, 64, 15), (4, 16, 3), (20, 24, 0), (16, 128, 31)]
)
def test_any_widths(features: int, hidden: int, geometry: int) -> None:
    assert max(differences(case([9, 0, 40, 130], features, hidden, geometry))) < 1e-5


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    count=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_any_rays_on_any_number_of_threads(counts: list[int], count: int, seed: int) -> None:
    with threads.at_most(count):
        assert max(differences(case(counts, seed=seed))) < 1e-5


def test_the_same_threads_give_the_same_sums() -> None:
    found = case([5, 300, 0, 17, 900, 3] * 3)
    first = results(found)
    assert all(torch.equal(a, b) for a, b in zip(first, results(found), strict=True))
    with threads.at_most(1):
        alone = results(found)
    for a, b in zip(first, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert numba.get_num_threads() > 1


def test_dense_samples_have_the_gradient_of_a_clamped_exponential() -> None:
    inputs, offsets, weights = case([60, 60])
    weights[1][0] *= 30
    inputs[2] *= 1e-8
    logs = mlp_reference(inputs[0], weights[:2])[:, 0]
    assert float(logs.max()) > 18
    assert float(logs.min()) < -18
    assert max(differences((inputs, offsets, weights))) < 1e-4


@pytest.mark.parametrize("kind", ["huber", "mse"])
def test_nan_goes_through(kind: str) -> None:
    inputs, offsets, weights = case([4, 4])
    inputs[0][5, 3] = torch.nan
    loss, color, _, d_encoded, _, *d_weights = results((inputs, offsets, weights), kind)
    assert loss.isnan()
    assert color[0].isfinite().all()
    assert color[1].isnan().all()
    assert d_encoded[5].isnan().any()
    assert all(each.isnan().any() for each in d_weights)


def test_what_has_no_kernel_is_told() -> None:
    weights = case([1], hidden=130)[2]
    assert why_not_whole(weights, torch.device("cpu"), "cpu") == "130 wide"
    assert why_not_whole(weights, torch.device("cpu"), "reference") == "backend reference"
    assert why_not_whole(case([1])[2], torch.device("cpu"), "auto") == ""
