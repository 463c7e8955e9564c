"""Proposal sampling: the loss against its definition, and samples that find the surface."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.histograms import Histogram, rendering_weights
from effbench.nerf.sampling.proposal import (
    ProposalOptions,
    ProposalPlaced,
    ProposalSampler,
    annealed,
    interlevel_loss,
    outer_weights,
)
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box
from tests.nerf_scene import ball

CPU = torch.device("cpu")
CUBE = Aabb.of(ball().box, ball(), CPU)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Wall(RadianceField):
    """Density 100 where 0.6 < x < 0.7; coloured by position."""

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return positions

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        return ((encoded[:, 0] - 0.65).abs() < 0.05) * 100.0, encoded

    def encode_directions(self, directions: Tensor) -> Tensor:
        return directions

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return geometry


def sampler(seed: int = 0, **options: Any) -> ProposalSampler:
    small = {"proposal_samples": (24, 12), "field_samples": 8, "proposal_levels": 2}
    tables = {"proposal_log2_table": 12, "proposal_resolution": 32, "proposal_warmup": 0}
    return ProposalSampler(
        ProposalOptions(**{**small, **tables, **options}), Box(CUBE), CPU, "auto", seed
    )


def randomise(proposal: ProposalSampler, deviation: float, seed: int) -> None:
    """Draw new hash tables: the first ones are too small for the density to vary."""
    for name, parameter in proposal.networks.named_parameters():
        if name.endswith("table"):
            parameter.data.normal_(std=deviation, generator=generator(seed))


def rays(count: int = 40) -> Rays:
    """Return rays along x through the cube, every fourth of which misses it."""
    origins = torch.rand(count, 3, generator=generator(5)) * 0.9 + 0.05
    origins[:, 0] = -0.5
    origins[::4, 1] = 1.5
    return Rays(origins, torch.tensor([[1.0, 0.0, 0.0]]).expand(count, 3).contiguous())


def random_histogram(bins: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return edges from 0 to 1 and weights of 20 histograms, with empty bins, some of no width."""
    inner = torch.rand(20, bins - 1, generator=generator(seed)).sort(1)[0]
    inner[:5, 1] = inner[:5, 0]
    edges = torch.cat([torch.zeros(20, 1), inner, torch.ones(20, 1)], 1)
    weights = torch.rand(20, bins, generator=generator(seed + 1))
    return edges, weights * (weights > 0.3) * (edges.diff(dim=1) > 0)


class TestInterlevelLoss:
    def test_a_bin_is_bounded_by_the_sum_of_all_that_overlap_it(self) -> None:
        proposal = Histogram(
            torch.tensor([[0.0, 1.0, 2.0, 3.0]]), torch.tensor([[0.125, 0.25, 0.5]])
        )
        edges = torch.tensor([[0.0, 0.5, 1.5, 2.0, 3.0]])
        assert outer_weights(edges, proposal).tolist() == [[0.125, 0.375, 0.25, 0.5]]

    def test_by_hand(self) -> None:
        proposal = Histogram(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[0.25, 0.5]]))
        edges, weights = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[0.5, 0.25]])
        loss = interlevel_loss(edges, weights, proposal)  # 0.25² / 0.5 and nothing
        assert loss.item() == pytest.approx(0.125)

    def test_loss_and_gradient_equal_the_definition(self) -> None:
        edges, weights = random_histogram(6, seed=1)
        outer_edges, found = random_histogram(9, seed=3)
        found.requires_grad_()
        loss = interlevel_loss(edges, weights, Histogram(outer_edges, found))
        expected = torch.zeros(())
        for ray in range(20):
            for i in range(6):
                left, right = edges[ray, i], edges[ray, i + 1]
                overlapping = [
                    found[ray, j]
                    for j in range(9)
                    if outer_edges[ray, j] < right and outer_edges[ray, j + 1] > left
                ]
                w, outer = weights[ray, i], sum(overlapping, start=torch.zeros(()))
                expected = expected + (w - outer).clamp_min(0) ** 2 / (w + 1e-7)
        torch.testing.assert_close(loss, expected / 20)
        ours, theirs = (torch.autograd.grad(x, found)[0] for x in (loss, expected / 20))
        torch.testing.assert_close(ours, theirs)

    def test_a_proposal_that_bounds_the_weights_costs_nothing(self) -> None:
        edges, weights = random_histogram(6, seed=1)
        outer_edges = torch.linspace(0, 1, 4).expand(20, 4).contiguous()
        generous = Histogram(outer_edges, weights.sum(1, keepdim=True).expand(20, 3))
        assert interlevel_loss(edges, weights, generous).item() == pytest.approx(0, abs=1e-12)


def test_annealing_starts_even_and_ends_with_the_weights() -> None:
    assert [annealed(x) for x in (0, 0.1, 1)] == pytest.approx([0, 1 / 1.9, 1])


class TestProposalSampler:
    def test_samples_ascend_inside_their_own_bins_and_only_on_rays_that_meet_the_cube(self) -> None:
        placed = sampler().place(rays(), Wall(), generator())
        assert isinstance(placed, ProposalPlaced)
        counts = placed.samples.offsets.diff()
        assert counts.tolist() == [0, 8, 8, 8] * 10
        assert torch.equal(placed.samples.rays, torch.arange(40).repeat_interleave(counts))
        t = placed.samples.t.view(30, 8)
        assert (placed.edges[:, :-1] <= t).all()
        assert (t <= placed.edges[:, 1:]).all()
        assert placed.edges.min() >= CUBE.near
        assert placed.edges.max() <= 1.5
        torch.testing.assert_close(placed.samples.deltas.view(30, 8), placed.edges.diff(dim=1))

    def test_only_the_networks_learn_from_the_loss(self) -> None:
        proposal = sampler()
        placed = proposal.place(rays(), Wall(), generator())
        optical_depth = torch.full([len(placed.samples)], 0.1, requires_grad=True)
        loss = proposal.loss(placed, optical_depth.detach())
        assert loss is not None
        loss.backward()
        parameters = list(proposal.parameters())
        assert len(parameters) == 6
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)

    def test_they_learn_where_the_wall_is(self) -> None:
        proposal, field = sampler(), Wall()
        optimizer = torch.optim.Adam(proposal.parameters(), lr=0.03)

        def share_in_wall() -> float:
            x = proposal.place(rays(400), field, generator(9)).samples.positions[:, 0]
            return float(((x - 0.65).abs() < 0.05).float().mean())

        untrained = share_in_wall()
        for step in range(100):
            placed = proposal.place(rays(400), field, generator(step))
            density = field.density(placed.samples.positions)[0]
            loss = proposal.loss(placed, density * placed.samples.deltas)
            assert loss is not None
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert untrained < 0.3
        assert share_in_wall() > 0.6

    def test_after_the_warm_up_they_learn_in_every_fifth_step_only(self) -> None:
        proposal = sampler(proposal_warmup=3, proposal_every=5)
        learning = []
        for iteration in range(12):
            proposal.update(Wall(), iteration, generator())
            placed = proposal.place(rays(), Wall(), generator())
            if proposal.loss(placed, torch.full([len(placed.samples)], 0.1)) is not None:
                learning.append(iteration)
        assert learning == [0, 1, 2, 5, 10]

    @pytest.mark.parametrize(("iteration", "even"), [(0, True), (10, False)])
    def test_annealing_begins_with_one_sample_in_every_bin(
        self, iteration: int, even: bool
    ) -> None:
        proposal = sampler(proposal_warmup=10, proposal_every=1, proposal_samples=(8,))
        randomise(proposal, 30, seed=4)
        proposal.update(Wall(), iteration, generator())
        placed = proposal.place(rays(), Wall(), generator())
        assert isinstance(placed, ProposalPlaced)
        edges, t = placed.histograms[0].edges.detach(), placed.samples.t.view(30, 8)
        bins = torch.searchsorted(edges, t) - 1
        assert torch.equal(bins, torch.arange(8).expand(30, 8)) == even

    def test_state_is_what_rendering_needs(self) -> None:
        trained, other = sampler(seed=1), sampler(seed=2)
        randomise(trained, 1, seed=3)
        background = torch.tensor([0.1, 0.2, 0.3])
        expected = trained.render(rays(), Wall(), background)
        assert not torch.equal(other.render(rays(), Wall(), background), expected)
        other.load_state(trained.state())
        assert torch.equal(other.render(rays(), Wall(), background), expected)

    def test_rays_beside_the_cube_show_the_background(self) -> None:
        color = sampler().render(rays(), Wall(), torch.ones(3))
        assert torch.equal(color[::4], torch.ones(10, 3))
        assert not torch.equal(color[1], torch.ones(3))

    def test_a_batch_that_misses_the_cube_is_empty(self) -> None:
        away = Rays(torch.full((3, 3), 5.0), torch.tensor([[1.0, 0.0, 0.0]]).expand(3, 3))
        placed = sampler().place(away, Wall(), generator())
        assert len(placed.samples) == 0
        assert placed.samples.offsets.tolist() == [0, 0, 0, 0]
        assert sampler().render(away, Wall(), torch.ones(3)).tolist() == [[1, 1, 1]] * 3


@pytest.mark.parametrize("options", [{"proposal_samples": ()}, {"field_samples": 1}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        ProposalOptions(**options)


def test_weights_of_opaque_samples_are_finite_and_sum_to_one() -> None:
    optical_depth = torch.tensor([[0.0, 1e8, 1.0, 1e30]], requires_grad=True)
    weights = rendering_weights(optical_depth)
    assert weights.tolist() == [[0, 1, 0, 0]]
    weights.sum().backward()
    assert optical_depth.grad is not None
    assert optical_depth.grad.isfinite().all()
