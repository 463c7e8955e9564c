"""Drawing from histograms: shares by hand, numba against the definition."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.inverse_cdf import sample_pdf


@pytest.mark.parametrize("backend", ["cpu", "reference"])
class TestOneRay:
    def test_a_bin_gets_its_share_of_the_samples(self, backend: str) -> None:
        edges = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
        weights = torch.tensor([[0.0, 3.0, 1.0]])
        uniform = (torch.arange(1000)[None] + 0.5) / 1000
        drawn = sample_pdf(edges, weights, uniform, backend)[0]
        counts = torch.histc(drawn, bins=3, min=0, max=3)
        assert counts.tolist() == pytest.approx([0, 750, 250], abs=2)
        assert drawn.diff().min() >= 0

    def test_within_a_bin_the_distribution_is_even(self, backend: str) -> None:
        edges, weights = torch.tensor([[1.0, 2.0, 6.0]]), torch.tensor([[1.0, 1.0]])
        uniform = torch.tensor([[0.0, 0.25, 0.5, 0.625, 0.999]])
        drawn = sample_pdf(edges, weights, uniform, backend)
        assert drawn[0].tolist() == pytest.approx([1, 1.5, 2, 3, 5.992], abs=1e-4)

    def test_a_ray_without_weight_is_sampled_evenly(self, backend: str) -> None:
        edges = torch.linspace(0, 1, 5)[None]
        uniform = torch.tensor([[0.1, 0.5, 0.9]])
        drawn = sample_pdf(edges, torch.zeros(1, 4), uniform, backend)
        assert drawn[0].tolist() == pytest.approx([0.1, 0.5, 0.9], abs=1e-5)

    def test_no_rays_give_no_samples(self, backend: str) -> None:
        empty = torch.empty(0, 5), torch.empty(0, 4), torch.empty(0, 3)
        assert sample_pdf(*empty, backend).shape == (0, 3)


def test_numba_equals_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    edges = torch.rand(300, 33, generator=generator).sort(1)[0]
    weights = torch.rand(300, 32, generator=generator)
    weights *= weights > 0.5
    uniform = torch.rand(300, 20, generator=generator).sort(1)[0]
    fast, slow = (sample_pdf(edges, weights, uniform, backend) for backend in ("cpu", "reference"))
    # where the distribution is nearly flat a rounding error in it is a step in its inverse
    assert ((fast - slow).abs() > 1e-4).float().mean() < 1e-3
