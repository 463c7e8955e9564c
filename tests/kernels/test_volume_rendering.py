"""Volume rendering: two samples by hand, numba against the definition, finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.volume_rendering import composite, visible_counts

OFFSETS = torch.tensor([0, 3, 3, 7, 8])  # ray 1 is empty


def packed(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    optical_depth = torch.rand(8, generator=generator, dtype=dtype) * 2
    colors = torch.rand(8, 3, generator=generator, dtype=dtype)
    background = torch.rand(4, 3, generator=generator, dtype=dtype)
    return optical_depth.requires_grad_(), colors.requires_grad_(), background


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_two_samples_over_a_background(backend: str) -> None:
    optical_depth = torch.tensor([math.log(2.0), math.log(4.0)])  # opacities 1/2 and 3/4
    colors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    background = torch.tensor([[0.0, 0.0, 1.0]])
    color, opacity = composite(optical_depth, colors, torch.tensor([0, 2]), background, backend)
    assert color[0].tolist() == pytest.approx([1 / 2, 3 / 8, 1 / 8])
    assert opacity.tolist() == pytest.approx([7 / 8])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_ray_without_samples_shows_the_background(backend: str) -> None:
    optical_depth, colors, background = packed()
    color, opacity = composite(optical_depth, colors, OFFSETS, background, backend)
    assert torch.equal(color[1], background[1])
    assert opacity[1] == 0


def test_numba_equals_the_definition_and_its_gradients() -> None:
    optical_depth, colors, background = packed()
    upstream = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    results = []
    for backend in ("cpu", "reference"):
        behind = background.clone().requires_grad_()
        color, opacity = composite(optical_depth, colors, OFFSETS, behind, backend)
        grads = torch.autograd.grad(color, (optical_depth, colors, behind), upstream)
        results.append((color.detach(), opacity, *grads))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-6)


def test_the_definition_has_the_gradient_of_finite_differences() -> None:
    optical_depth, colors, background = packed(torch.float64)

    def color(*tensors: torch.Tensor) -> torch.Tensor:
        optical_depth, colors, background = tensors
        return composite(optical_depth, colors, OFFSETS, background, "reference")[0]

    assert torch.autograd.gradcheck(color, (optical_depth, colors, background.requires_grad_()))


def test_long_batches_keep_the_digits_of_a_single_ray() -> None:
    rays, per_ray = 3000, 40
    optical_depth = torch.rand(rays * per_ray, generator=torch.Generator().manual_seed(2))
    colors, background = torch.ones(rays * per_ray, 3), torch.zeros(rays, 3)
    offsets = torch.arange(rays + 1) * per_ray
    expected = -torch.expm1(-optical_depth.double().view(rays, per_ray).sum(1))
    for backend in ("cpu", "reference"):
        color, _ = composite(optical_depth, colors, offsets, background, backend)
        torch.testing.assert_close(color[:, 0].double(), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_visible_samples_see_more_than_the_threshold(backend: str) -> None:
    half = math.log(2.0)  # each sample halves the transmittance: 1, 1/2, 1/4, 1/8, …
    optical_depth, offsets = torch.full((8,), half), torch.tensor([0, 6, 6, 8])
    assert visible_counts(optical_depth, offsets, 0.2, backend).tolist() == [3, 0, 2]
    assert visible_counts(optical_depth, offsets, 0.0, backend).tolist() == [6, 0, 2]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_samples_behind_the_last_ray_count_nowhere(backend: str) -> None:
    optical_depth, colors, background = packed()
    shown = []
    for padding in (0, 3):
        taus, rgbs = (torch.cat([x, torch.ones_like(x)[:padding]]) for x in (optical_depth, colors))
        color = composite(taus, rgbs, OFFSETS, background, backend)[0]
        shown.append((color, *torch.autograd.grad(color.square().sum(), (optical_depth, colors))))
        counts = visible_counts(torch.ones(8 + padding), OFFSETS, 0.5, backend)
        assert counts.tolist() == [1, 0, 1, 1]
    for without, padded in zip(*shown, strict=True):
        assert torch.equal(without, padded)


def test_the_tail_gets_no_gradient() -> None:
    optical_depth = torch.ones(5, requires_grad=True)
    colors = torch.rand(5, 3, requires_grad=True)
    for backend in ("cpu", "reference"):
        color = composite(optical_depth, colors, torch.tensor([0, 3]), torch.zeros(1, 3), backend)[
            0
        ]
        grads = torch.autograd.grad(color.sum(), (optical_depth, colors))
        assert not any(grad[3:].any() for grad in grads)
        assert all(grad[:3].any() for grad in grads)
