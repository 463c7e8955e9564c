"""Learners: what one step adds to the gradients of a field."""

from __future__ import annotations

import torch
from torch.nn import functional

from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.pixel_loss import PixelLoss
from effbench.kernels.samples import Samples
from effbench.kernels.volume_rendering import composite
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import EncodedSamples
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box
from effbench.nerf.training.learning import Batch, FullLearner, evaluate

CUBE = Aabb(torch.zeros(3), 1.0, 0.0, 10.0)


def field(backend: str = "reference") -> HashField:
    generator = torch.Generator().manual_seed(0)
    return HashField(HashLayout(2, 8, 4, 8), 8, 3, "fp32", backend, generator)


def batch(rays: int = 5) -> Batch:
    """Return parallel rays through the cube, two samples each, white on black."""
    start = torch.linspace(0.2, 0.8, rays)
    origins = torch.stack([start, start.flip(0), torch.zeros(rays)], 1)
    directions = torch.tensor([[0.0, 0.0, 1.0]]).expand(rays, 3)
    t = torch.tensor([0.3, 0.6]).repeat(rays)
    index = torch.arange(rays).repeat_interleave(2)
    positions = origins[index] + t[:, None] * directions[index]
    offsets = torch.arange(rays + 1) * 2
    samples = Samples(positions, t, index, offsets, torch.full([2 * rays], 0.3))
    white, black = torch.ones(rays, 3), torch.zeros(rays, 3)
    return Batch(Rays(origins, directions), EncodedSamples(samples), white, black)


def sampler() -> HierarchicalSampler:
    return HierarchicalSampler(2, 0, Box(CUBE), "reference")


def test_a_full_step_gives_the_gradient_of_the_rendered_pixels() -> None:
    model, data = field(), batch()
    outcome = FullLearner("reference").backward(model, sampler(), data, functional.mse_loss)
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]

    density, color = evaluate(model, data)
    first, second = (1 - torch.exp(-0.3 * density)).view(-1, 2).unbind(1)
    color = color.view(-1, 2, 3)
    pixels = first[:, None] * color[:, 0] + ((1 - first) * second)[:, None] * color[:, 1]
    loss = functional.mse_loss(pixels, data.target)
    expected = torch.autograd.grad(loss, list(model.parameters()))

    torch.testing.assert_close(outcome.color, pixels.detach())
    torch.testing.assert_close(outcome.loss, loss.detach())
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_samples_the_background_is_seen_and_nothing_is_learnt() -> None:
    model, full = field(), batch()
    none = torch.empty(0)
    empty = Samples(torch.empty(0, 3), none, none.long(), torch.zeros(6, dtype=torch.int64), none)
    data = Batch(full.rays, EncodedSamples(empty), full.target, full.background)
    outcome = FullLearner("reference").backward(model, sampler(), data, functional.mse_loss)
    assert torch.equal(outcome.color, full.background)
    assert outcome.loss == 1
    assert all(parameter.grad is None for parameter in model.parameters())


def test_networks_and_rendering_as_one_do_what_their_parts_do() -> None:
    data, found = batch(), []
    for checkpointing, said in (
        (False, "one kernel"),
        (True, "in parts: networks are evaluated again"),
    ):
        model, learner = field("cpu"), FullLearner("cpu", checkpointing=checkpointing)
        assert learner.facts() == {}, "not before a step"
        outcome = learner.backward(model, sampler(), data, PixelLoss("mse"))
        assert learner.facts() == {"shading": said}
        gradients = [p.grad for p in model.parameters()]
        found.append([outcome.color, outcome.loss, *gradients])
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts)


def test_what_is_not_one_says_why() -> None:
    data, learner = batch(), FullLearner("reference")
    learner.backward(field(), sampler(), data, PixelLoss("mse"))
    assert learner.facts() == {"shading": "in parts: backend reference"}
    learner.backward(field(), sampler(), data, functional.mse_loss)
    assert learner.facts() == {"shading": "in parts: another loss"}
    learner.composite = composite
    learner.backward(field(), sampler(), data, PixelLoss("mse"))
    assert learner.facts() == {"shading": "in parts: a library renders"}
