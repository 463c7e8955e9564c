"""The light field's network: published sizes, shapes in and out, blocks, reproducible weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from effbench.nerf.lightfield.network import (
    D60_SR3,
    NeLFNetwork,
    NeLFShape,
    ResidualBlock,
    build,
    shape_of,
)

SMALL = NeLFShape.regular(points=2, frequencies=1, width=8, depth=6, sr_widths=(4, 4))


def parameters(shape: NeLFShape) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in NeLFNetwork(shape).parameters())


def test_d60_sr3_has_the_published_parameters() -> None:
    assert D60_SR3.channels == 312
    assert len(D60_SR3.inner) == 29
    assert D60_SR3.scale == 8
    assert parameters(D60_SR3) == 4_305_539


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        # By hand: a 1×1 convolution has i·o + o, a transposed 4×4 one 16·i·o + o, BN 2·c.
        # 312→256, 256→3 (no super-resolution, no block): 80128 + 771.
        (NeLFShape.regular(depth=2, sr_widths=()), 80_899),
        # + one block of 2·(256² + 256) + 4·256 = 132608.
        (NeLFShape.regular(depth=4, sr_widths=()), 80_899 + 132_608),
        # 312→64: 20032; block: 8576; 64→16 up: 16400; two blocks of 608; 16→3: 51.
        (NeLFShape.regular(width=64, depth=4, sr_widths=(16,)), 20_032 + 8_576 + 17_616 + 51),
    ],
)
def test_parameter_counts_by_hand(shape: NeLFShape, count: int) -> None:
    assert parameters(shape) == count


def test_a_stage_doubles_the_sides() -> None:
    image = build(SMALL, 0)(torch.rand(3, SMALL.channels, 5, 7))
    assert image.shape == (3, 3, 20, 28)
    assert 0 <= image.min() <= image.max() <= 1


def test_without_stages_a_pixel_depends_on_its_own_ray_alone() -> None:
    network = build(NeLFShape.regular(points=2, frequencies=1, width=8, sr_widths=()), 0).eval()
    rays = torch.rand(1, 18, 4, 4)
    changed = rays.clone()
    changed[0, :, 1, 2] += 1
    moved = (network(rays) != network(changed)).any(1)[0]
    assert moved.nonzero().tolist() == [[1, 2]]


def test_blocks_start_as_the_identity() -> None:
    network = build(SMALL, 0)
    x = torch.randn(1, 8, 3, 3)
    assert torch.equal(network.body(x), x)


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = build(SMALL, 5)
    following = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), following), "the global generator is left alone"
    again, other = build(SMALL, 5), build(SMALL, 6)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )
    assert not torch.equal(first.head.weight, other.head.weight)


def test_shape_is_read_from_a_state() -> None:
    pruned = NeLFShape.regular(points=2, frequencies=1, width=8, depth=6, sr_widths=(4,))
    pruned = NeLFShape(2, 1, 7, (3, 5), pruned.stages)
    bare = NeLFShape.regular(depth=2, sr_widths=())
    for shape, full in ((SMALL, SMALL), (pruned, SMALL), (bare, bare)):
        state = NeLFNetwork(shape).state_dict()
        assert shape_of(state, full) == shape


def test_residual_block_is_what_the_paper_says() -> None:
    network = build(SMALL, 0).eval()
    block = network.body[0]
    assert isinstance(block, ResidualBlock)
    nn.init.normal_(block.leave_norm.weight)
    x = torch.randn(1, 8, 2, 2)
    hidden = torch.nn.functional.gelu(block.enter_norm(block.enter(x)))
    assert torch.equal(block(x), x + block.leave_norm(block.leave(hidden)))


@pytest.mark.parametrize("wrong", [{"depth": 5}, {"depth": 0}, {"width": 0}, {"sr_widths": (0,)}])
def test_impossible_shapes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"depth|at least"):
        NeLFShape.regular(**wrong)
