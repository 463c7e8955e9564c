"""Volume rendering in Triton: colours, gradients and counts are those of the definition."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.volume_rendering import composite, visible_counts


def packed(
    device: torch.device, generator: torch.Generator, repeats: int, thickest: float
) -> tuple[torch.Tensor, ...]:
    """Rays with none, some, and more samples than fit in a chunk; three slots behind the last."""
    counts = torch.tensor([0, 3, 1, 0, 32, 33, 70, 0], device=device).repeat(repeats)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    slots = int(offsets[-1]) + 3
    optical_depth = torch.rand(slots, generator=generator, device=device).pow(8) * thickest
    colors = torch.rand(slots, 3, generator=generator, device=device)
    background = torch.rand(len(counts), 3, generator=generator, device=device)
    return optical_depth.requires_grad_(), colors.requires_grad_(), offsets, background


@pytest.mark.parametrize("thickest", [0.3, 500.0])  # rays that end before and at transmittance 0
def test_colours_and_gradients(
    device: torch.device, generator: torch.Generator, scale: int, thickest: float
) -> None:
    optical_depth, colors, offsets, background = packed(device, generator, scale, thickest)
    upstream = torch.randn(background.shape, generator=generator, device=device)
    color, opacity = composite(optical_depth, colors, offsets, background, "triton")
    gradients = torch.autograd.grad(color, (optical_depth, colors), upstream)
    exact = (x.detach().double().requires_grad_() for x in (optical_depth, colors))
    t, c = exact
    expected, covered = composite(t, c, offsets, background.double(), "reference")
    slopes = torch.autograd.grad(expected, (t, c), upstream.double())
    torch.testing.assert_close(color.double(), expected, rtol=0, atol=2e-6)
    torch.testing.assert_close(opacity.double(), covered, rtol=0, atol=2e-6)
    for ours, theirs in zip(gradients, slopes, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=5e-6)
        assert not ours[-3:].any()


def test_a_faint_sample_before_a_solid_one_keeps_its_weight(device: torch.device) -> None:
    optical_depth = torch.tensor([0.4321, 1e7], device=device)
    colors = torch.eye(2, 3, device=device)
    offsets = torch.tensor([0, 2], device=device)
    color, _ = composite(optical_depth, colors, offsets, torch.zeros(1, 3, device=device), "triton")
    seen = float(torch.exp(torch.tensor(-0.4321)))
    assert color[0].tolist() == pytest.approx([1 - seen, seen, 0], abs=1e-6)


def test_a_ray_with_nan_is_nan_and_no_other(device: torch.device) -> None:
    """From the first chunk of its samples to the last, in colour and in gradient."""
    offsets = torch.tensor([0, 3, 103], device=device)
    optical_depth = torch.full((103,), 0.01, device=device)
    optical_depth[5] = math.nan
    colors = torch.ones(103, 3, device=device).requires_grad_()
    optical_depth.requires_grad_()
    background = torch.zeros(2, 3, device=device)
    color, opacity = composite(optical_depth, colors, offsets, background, "triton")
    d_depth, d_colors = torch.autograd.grad(color.sum(), (optical_depth, colors))
    expected, _ = composite(optical_depth, colors, offsets, background, "reference")
    (slopes,) = torch.autograd.grad(expected.sum(), colors)
    assert torch.equal(color.isnan(), expected.isnan())
    assert opacity.isnan().tolist() == [False, True]
    assert d_depth.isnan().tolist() == [False] * 3 + [True] * 100
    assert torch.equal(d_colors.isnan(), slopes.isnan())
    counts = visible_counts(optical_depth.detach(), offsets, 1e-4, "triton")
    assert counts.tolist() == [3, 3]
    assert torch.equal(counts, visible_counts(optical_depth.detach(), offsets, 1e-4, "reference"))


def test_a_colour_of_nan_is_seen(device: torch.device) -> None:
    offsets = torch.tensor([0, 1, 2], device=device)
    colors = torch.tensor([[0.5, math.nan, 0.5], [0.5, 0.5, 0.5]], device=device)
    found = [
        composite(torch.ones(2, device=device), colors, offsets, torch.zeros_like(colors), backend)
        for backend in ("triton", "reference")
    ]
    for color, _ in found:
        assert color.isnan().tolist() == [[False, True, False], [False] * 3]


@pytest.mark.parametrize("early_stop_eps", [0.0, 1e-4, 0.3])
def test_counts_of_visible_samples(
    device: torch.device, generator: torch.Generator, scale: int, early_stop_eps: float
) -> None:
    optical_depth, _, offsets, _ = packed(device, generator, scale, 3.0)
    optical_depth = optical_depth.detach()
    counts = visible_counts(optical_depth, offsets, early_stop_eps, "triton")
    expected = visible_counts(optical_depth, offsets, early_stop_eps, "reference")
    assert torch.equal(counts, expected)
    if early_stop_eps:
        assert (counts < offsets.diff()).any()


def test_no_rays(device: torch.device) -> None:
    none = torch.empty(0, device=device)
    offsets, nothing = torch.zeros(1, dtype=torch.int64, device=device), none.view(0, 3)
    color, opacity = composite(none, nothing, offsets, nothing, "triton")
    assert color.shape == (0, 3)
    assert opacity.shape == (0,)
    assert visible_counts(none, offsets, 0.5, "triton").shape == (0,)
