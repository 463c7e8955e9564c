"""Channel pruning: what is removed is really gone, and what is left computes the same."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from effbench.errors import ConfigError
from effbench.nerf.compression.channel_pruning import Cost, Criterion, Groups, prune
from effbench.nerf.lightfield.network import (
    D60_SR3,
    NeLFNetwork,
    NeLFShape,
    NeLFStage,
    ResidualBlock,
    build,
)

FULL = NeLFShape.regular(points=2, frequencies=1, width=10, depth=6, sr_widths=(8, 4))
CRITERIA: list[Criterion] = ["l1", "l2", "bn", "taylor"]


def trained(shape: NeLFShape = FULL) -> NeLFNetwork:
    """Return a network in which every tensor matters, with gradients."""
    network = build(shape, 0)
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                assert tensor is not None
                tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    network(rays(network)).square().sum().backward()
    return network.eval()


def rays(network: NeLFNetwork, views: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(views, network.shape.channels, 3, 5, generator=generator)


def masked(network: NeLFNetwork, removed: dict[str, list[int]]) -> NeLFNetwork:
    """Return the network with the removed channels set to zero where they are made.

    Inside a block that is after its activation, hence the weights that read it; in a stream, every
    layer that adds to it.
    """
    copied = copy.deepcopy(network)
    layers = dict(copied.named_modules())
    for name, channels in removed.items():
        if name.endswith(".enter"):
            leave = layers[name.removesuffix("enter") + "leave"]
            assert isinstance(leave, nn.Conv2d)
            leave.weight.data[:, channels] = 0
        elif not name.endswith("enter_norm"):
            layer = layers[name]
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d)
            assert layer.bias is not None
            if isinstance(layer, nn.ConvTranspose2d):
                layer.weight.data[:, channels] = 0
            else:
                layer.weight.data[channels] = 0
            layer.bias.data[channels] = 0
    return copied


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("groups", ["inner", "all"])
def test_a_pruned_network_computes_what_a_masked_one_does(
    criterion: Criterion, groups: Groups
) -> None:
    network = trained()
    pruned = prune(network, FULL, 0.4, criterion, groups)
    given = rays(network, views=2)
    image = pruned.network.eval()(given)
    assert image.shape == (2, 3, 12, 20)
    torch.testing.assert_close(image, masked(network, pruned.removed)(given))
    assert not torch.allclose(image, network(given), atol=1e-4)


@pytest.mark.parametrize(("groups", "width", "stages"), [("inner", 10, (8, 4)), ("all", 5, (4, 2))])
def test_half_of_every_group_is_gone(groups: Groups, width: int, stages: tuple[int, int]) -> None:
    shape = prune(trained(), FULL, 0.5, groups=groups).network.shape
    inner = [NeLFStage(w, (half,) * 2) for w, half in zip(stages, (4, 2), strict=True)]
    assert shape == replace(FULL, width=width, inner=(5, 5), stages=tuple(inner))


def test_in_steps_the_last_shape_is_that_of_one_step() -> None:
    network = trained()
    at_once = prune(network, FULL, 0.7).network.shape
    for ratio in (0.14, 0.28, 0.42, 0.56, 0.7):
        network = prune(network, FULL, ratio).network
    assert network.shape == at_once


def test_a_group_keeps_at_least_one_channel_and_nothing_is_pruned_twice() -> None:
    once = prune(trained(), FULL, 0.99).network
    assert (once.shape.width, once.shape.inner) == (1, (1, 1))
    assert prune(once, FULL, 0.99).removed == {}


def test_the_network_given_is_left_alone() -> None:
    network = trained()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    prune(network, FULL, 0.5)
    assert network.shape == FULL
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_magnitude_removes_the_smallest_channels() -> None:
    network = trained()
    block = network.body[0]
    assert isinstance(block, ResidualBlock)
    for part in (block.enter.weight.data, block.enter_norm.weight.data):
        part[[2, 7]] *= 1e-3
    block.leave.weight.data[:, [2, 7]] *= 1e-3
    removed = prune(network, FULL, 0.2, "l2", "inner").removed
    assert removed["body.0.enter"] == removed["body.0.enter_norm"] == [2, 7]


def test_bn_needs_a_bn_in_every_group() -> None:
    bare = NeLFShape.regular(points=2, frequencies=1, width=8, depth=4, sr_widths=(4,), sr_blocks=0)
    with pytest.raises(ConfigError, match=r"does not score .* 'stages\.0\.0'.*use criterion=l2"):
        prune(trained(bare), bare, 0.5, "bn")


def test_costs_are_those_of_the_layers() -> None:
    shape = NeLFShape.regular(
        points=2, frequencies=1, width=8, depth=4, sr_widths=(4,), sr_blocks=1
    )
    cost = Cost.of(shape, (3, 5))
    assert cost.channels == 8 + (8 + 8) + 4 + (4 + 4)
    network = NeLFNetwork(shape)
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    # 18→8, a block of 2·8², up 8→4 of 16, then at four times the pixels 2·4² and 4→3
    assert cost.macs == 15 * (18 * 8 + 2 * 64 + 8 * 4 * 16 + 4 * (2 * 16 + 4 * 3))
    half = prune(trained(shape), shape, 0.5).network.shape
    left = Cost.of(half, (3, 5)).ratios(cost)
    assert left["channels"] == 0.5
    assert left["parameters"] < 0.5


def test_full_scale_costs() -> None:
    cost = Cost.of(D60_SR3, (100, 100))
    body = 312 * 256 + 58 * 256**2
    stages = 256 * 64 * 16 + 4 * (4 * 64**2 + 64 * 64 * 16)
    stages += 16 * (4 * 64**2 + 64 * 16 * 16) + 64 * (4 * 16**2 + 16 * 3)
    assert cost.macs == 10_000 * (body + stages)
    # four bytes per number, eight for BN's count of batches: 2·29 and 2·2·3 of them
    assert cost.bytes == 4 * (4_305_539 + 2 * (58 * 256 + 8 * 64 + 4 * 16)) + 8 * (58 + 12)
