"""Pruning-aware training: the gradients that torch-pruning's sparse learners add."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from effbench.nerf.compression.sparse_learning import Regulariser, regularise
from effbench.nerf.lightfield.network import NeLFNetwork, NeLFShape, ResidualBlock, build

SHAPE = NeLFShape.regular(points=2, frequencies=1, width=6, depth=4, sr_widths=(4,), sr_blocks=1)


def stepped(kind: Regulariser, weight: float = 0.5) -> tuple[NeLFNetwork, NeLFNetwork]:
    """Return a network before and after a plain step of rate 1 with gradients of zero."""
    before, after = build(SHAPE, 0), build(SHAPE, 0)
    for network in (before, after):
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.weight.data.fill_(0.25)
    optimizer = torch.optim.SGD(after.parameters(), lr=1.0)
    for parameter in after.parameters():
        parameter.grad = torch.zeros_like(parameter)
    regularise(after, optimizer, kind, weight)
    optimizer.step()
    return before, after


def test_network_slimming_takes_the_weight_from_every_scale_and_nothing_else() -> None:
    before, after = stepped("bn-scale", 0.125)
    for name, layer in before.named_modules():
        for part, tensor in layer.named_parameters(recurse=False):
            own = after.get_parameter(f"{name}.{part}")
            expected = (
                tensor - 0.125 if isinstance(layer, nn.BatchNorm2d) and part == "weight" else tensor
            )
            torch.testing.assert_close(own, expected)


def pulls(before: Tensor, after: Tensor, weight: float) -> Tensor:
    """Return by how many times `weight` each entry became smaller."""
    return (1 - after / before).detach() / weight


def test_group_norms_shrink_the_least_important_channel_16_times_as_hard() -> None:
    before, after = stepped("group-norm", 1e-3)
    scales = (
        "body.0.enter_norm.weight",
        "body.0.leave_norm.weight",
        "stages.0.1.leave_norm.weight",
    )
    inner, stream, stage = (
        pulls(before.get_parameter(name), after.get_parameter(name), 1e-3) for name in scales
    )
    for pull in (inner, stream, stage):
        assert float(pull.min()) == pytest.approx(1, rel=1e-3)
        assert float(pull.max()) == pytest.approx(16, rel=1e-3)
    # weights between two groups are pulled by both; a transposed convolution is [inputs, outputs]
    enter, up = (
        pulls(before.get_parameter(name), after.get_parameter(name), 1e-3)
        for name in ("body.0.enter.weight", "stages.0.0.weight")
    )
    torch.testing.assert_close(enter[..., 0, 0], inner[:, None] + stream, rtol=1e-2, atol=0.01)
    expected = (stream[:, None] + stage)[..., None, None].expand_as(up)
    torch.testing.assert_close(up, expected, rtol=1e-2, atol=0.01)


def test_the_least_important_channel_is_the_one_with_the_smallest_weights() -> None:
    network = build(SHAPE, 0)
    block = network.body[0]
    assert isinstance(block, ResidualBlock)
    block.enter.weight.data[3] *= 1e-2
    block.leave.weight.data[:, 3] *= 1e-2
    block.enter_norm.weight.data[3] *= 1e-2
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = block.enter_norm.weight.detach().clone()
    regularise(network, optimizer, "group-norm", 1e-3)
    optimizer.step()
    assert int(pulls(before, block.enter_norm.weight, 1e-3).argmax()) == 3


def test_without_a_regulariser_nothing_is_added() -> None:
    before, after = stepped("none")
    assert all(
        torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)
    )


def test_tracing_leaves_statistics_and_mode_alone() -> None:
    network = build(SHAPE, 0)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    regularise(network, torch.optim.SGD(network.parameters(), lr=1.0), "group-norm", 1.0)
    assert network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
