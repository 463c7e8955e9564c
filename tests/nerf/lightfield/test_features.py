"""Learned features of points: looked up beside them, trained, exported, spared by pruning."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor

from effbench.kernels.hash_encoding import hash_encode_reference
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.compression.channel_pruning import Cost, prune
from effbench.nerf.lightfield.export import exportable
from effbench.nerf.lightfield.features import PointFeatures
from effbench.nerf.lightfield.network import NeLFNetwork, NeLFShape, build, shape_of
from effbench.nerf.lightfield.rays import LightField, RayEncoder
from tests.nerf_scene import CAMERA, ball, look_at_origin

LAYOUT = HashLayout(levels=2, log2_table=8, base=4, finest=16)
SHAPE = NeLFShape.regular(
    points=3, frequencies=1, width=8, depth=6, sr_widths=(), table=LAYOUT
)  # 27 channels of a ray, and 3·4 features


def busy(shape: NeLFShape = SHAPE) -> NeLFNetwork:
    """Return a network whose table and blocks matter as much as if they had been trained."""
    network = build(shape, 0)
    assert isinstance(network.features, PointFeatures)
    generator = torch.Generator().manual_seed(3)
    torch.nn.init.normal_(network.features.table, generator=generator)
    for name, parameter in network.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.uniform_(parameter, 0.5, 1.5, generator=generator)
    return network.eval()


def encoded(views: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.rand(views, SHAPE.channels, 3, 5, generator=generator) * 2 - 1


def test_features_of_the_points_come_first_and_the_rays_after_them() -> None:
    features = busy().features
    assert isinstance(features, PointFeatures)
    rays = encoded()
    result = features(rays)
    assert result.shape == (2, SHAPE.inputs, 3, 5)
    assert SHAPE.inputs == 3 * 4 + 27
    assert torch.equal(result[:, 12:], rays)
    point = rays[1, 3:6, 2, 4]  # the second of a ray
    expected = hash_encode_reference(((point + 1) / 2)[None], features.table, LAYOUT)[0]
    torch.testing.assert_close(result[1, 4:8, 2, 4], expected)


def test_points_outside_have_the_features_of_the_nearest_side() -> None:
    features = busy().features
    rays = encoded()
    outside = rays.clone()
    outside[:, :9] *= 3
    rays[:, :9] = outside[:, :9].clamp(-1, 1)
    assert torch.equal(features(outside)[:, :12], features(rays)[:, :12])


def test_the_table_is_trained() -> None:
    network = busy()
    network(encoded()).square().sum().backward()
    assert isinstance(network.features, PointFeatures)
    gradient = network.features.table.grad
    assert gradient is not None
    touched = gradient.abs().sum(1) > 0
    assert 0 < int(touched.sum()) < LAYOUT.rows


def test_weights_depend_on_the_seed_alone() -> None:
    first, again, other = (build(SHAPE, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(first["features.table"], again["features.table"])
    assert not torch.equal(first["features.table"], other["features.table"])


def test_pruning_leaves_the_table_alone() -> None:
    network = busy()
    pruned = prune(network, SHAPE, 0.5).network
    state = pruned.state_dict()
    assert torch.equal(state["features.table"], network.state_dict()["features.table"])
    assert shape_of(state, SHAPE) == replace(SHAPE, width=4, inner=(4, 4))
    assert pruned(encoded()).shape == (2, 3, 3, 5)


def test_costs_count_the_table_s_bytes_but_no_lookups() -> None:
    cost = Cost.of(SHAPE, (3, 5))
    network = NeLFNetwork(SHAPE)
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    assert cost.macs == 15 * (39 * 8 + 4 * 8**2 + 8 * 3)
    bare = replace(SHAPE, table=None)
    weights = 4 * (LAYOUT.rows * 2 + 12 * 8)
    assert cost.bytes == Cost.of(bare, (3, 5)).bytes + weights


def test_the_exported_module_looks_up_the_same() -> None:
    field = LightField(RayEncoder(SHAPE, ball(), CAMERA, "box"), busy())
    before = copy.deepcopy(field.state_dict())
    pose = torch.from_numpy(look_at_origin(0.7))
    with torch.no_grad():
        expected = field(pose[None])[0]
        torch.testing.assert_close(exportable(field).module(pose), expected, atol=1e-5, rtol=1e-4)
    assert expected.std() > 0.01
    assert all(torch.equal(before[name], t) for name, t in field.state_dict().items())
