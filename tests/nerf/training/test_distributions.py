"""Distributions and the profile of a ray: values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from effbench.kernels.samples import Samples
from effbench.kernels.volume_rendering import composite
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling import EncodedSamples
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.training import distributions
from effbench.nerf.training.learning import Batch

BACKENDS = ["reference", "cpu"]


class Given(RadianceField):
    """A field whose density is a sample's x and whose colour is red times its y."""

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return positions

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        return encoded[:, 0], encoded

    def encode_directions(self, directions: Tensor) -> Tensor:
        return directions

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return geometry[:, 1:2] * torch.tensor([1.0, 0.0, 0.0])


def batch(optical_depth: list[float], red: list[float], offsets: list[int], target: float) -> Batch:
    """Return samples of length 2 on rays over black; only red differs between the targets."""
    n, rays = len(optical_depth), len(offsets) - 1
    x = torch.tensor(optical_depth) / 2
    positions = torch.stack([x, torch.tensor(red), torch.zeros(n)], 1)
    offset = torch.tensor(offsets)
    t = torch.arange(n, dtype=torch.float32)
    ray = torch.repeat_interleave(offset.diff())
    samples = Samples(positions, t, ray, offset, torch.full([n], 2.0))
    along = torch.tensor([[0.0, 0.0, 1.0]]).expand(rays, 3)
    goal = torch.zeros(rays, 3)
    goal[:, 0] = target
    return Batch(
        Rays(torch.zeros(rays, 3), along), EncodedSamples(samples), goal, torch.zeros(rays, 3)
    )


class TestHistogram:
    def test_density_is_the_share_per_width_and_sums_to_one(self) -> None:
        edges = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
        rows = distributions.histogram(torch.tensor([0.05, 0.2, 0.3, 0.7]), edges)
        assert [row["density"] for row in rows] == pytest.approx([2.5, 0.5 / 0.4, 0.5])
        widths = [row["bin_right"] - row["bin_left"] for row in rows]
        assert widths == pytest.approx([0.1, 0.4, 0.5])

    def test_a_value_on_an_edge_belongs_to_the_bin_on_its_right(self) -> None:
        rows = distributions.histogram(torch.tensor([0.5]), torch.tensor([0.0, 0.5, 1.0]))
        assert [row["density"] for row in rows] == [0.0, 2.0]

    def test_what_lies_beyond_is_in_the_outer_bins(self) -> None:
        rows = distributions.histogram(torch.tensor([-3.0, 0.6, 9.0]), torch.tensor([0, 0.5, 1.0]))
        assert [row["density"] for row in rows] == pytest.approx([2 / 3, 4 / 3])

    def test_nothing_has_no_distribution(self) -> None:
        assert distributions.histogram(torch.zeros(0), distributions.log_edges()) == []

    def test_the_edges_are_zero_and_then_equal_steps_of_the_logarithm(self) -> None:
        edges = distributions.log_edges()
        assert (edges[0].item(), edges[-1].item()) == (0, 1)
        assert edges[1].item() == pytest.approx(1e-8)
        steps = edges[1:].log10().diff()
        torch.testing.assert_close(steps, torch.full_like(steps, 0.2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_are_transmittance_times_opacity(backend: str) -> None:
    optical_depth, offsets = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0, 2, 2, 3])
    weights = distributions.rendering_weights(optical_depth, offsets, backend)
    first, second = 1 - math.exp(-1), math.exp(-1) * (1 - math.exp(-2))
    assert weights.tolist() == pytest.approx([first, second, 1 - math.exp(-0.5)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_profile_of_a_ray_by_hand(backend: str) -> None:
    rows = distributions.ray_profile(
        Given(), batch([1.0], [0.5], [0, 1], target=0.0), functional.mse_loss, backend
    )
    (row,) = rows
    weight = 1 - math.exp(-1)
    pixel = 0.5 * weight  # L = pixel² / 3, so ∂L/∂pixel = 2·pixel / 3
    by_pixel = 2 * pixel / 3
    by_logit = by_pixel * weight * 0.5 * (1 - 0.5)
    by_log_density = by_pixel * 0.5 * math.exp(-1) * 1.0  # ∂pixel/∂τ = c·exp(−τ); times τ
    assert row == pytest.approx(
        {
            "t": 0.0,
            "weight": weight,
            "gradient_norm": math.hypot(by_logit, by_log_density),
            "red": 0.5,
            "green": 0.0,
            "blue": 0.0,
        }
    )


def test_gradient_norms_are_those_of_the_activations_inputs() -> None:
    """Against autograd through an exponential and a sigmoid."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(6, 4, generator=generator, requires_grad=True)
    given = batch([1.0] * 6, [0.5] * 6, [0, 4, 6], target=0.3)
    optical_depth, color = raw[:, 3].exp(), raw[:, :3].sigmoid()
    offsets = given.placed.samples.offsets
    pixels = composite(optical_depth, color, offsets, given.background, "reference")[0]
    functional.mse_loss(pixels, given.target).backward()
    assert raw.grad is not None
    norms = distributions.gradient_norms(optical_depth, color, given, functional.mse_loss, "cpu")
    torch.testing.assert_close(norms, raw.grad.norm(dim=1))


def test_distributions_name_their_quantity() -> None:
    given = batch([50.0, 1e-3], [0.5, 0.5], [0, 1, 2], target=0.5)
    rows = distributions.distributions(
        Given(), given, lambda c, t: functional.mse_loss(c, t, reduction="none").mean(1), "cpu"
    )
    found = {
        name: [r for r in rows if r["quantity"] == name and r["density"]]
        for name in ("pixel_loss", "sample_weight")
    }
    # opaque ray: weight 1, loss 0; the other: weight 1e-3, red 5e-4, loss (0.4995)² / 3 = 0.083
    low, high = found["pixel_loss"]
    assert low["bin_left"] == 0
    assert high["bin_left"] < 0.0832 < high["bin_right"]
    thin, opaque = found["sample_weight"]
    assert thin["bin_left"] < 0.0009995 < thin["bin_right"]
    assert opaque["bin_right"] == 1


def test_rays_without_samples_have_a_loss_but_no_weights() -> None:
    given = batch([], [], [0, 0], target=0.5)
    rows = distributions.distributions(
        Given(), given, lambda c, t: (c - t).square().mean(1), "reference"
    )
    assert {row["quantity"] for row in rows} == {"pixel_loss"}
    assert distributions.ray_profile(Given(), given, functional.mse_loss, "reference") == []
