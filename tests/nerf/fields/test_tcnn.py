"""tiny-cuda-nn's field computes what ours does, and its weights go there and back."""

from __future__ import annotations

import importlib
import operator

import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.machine import libraries
from effbench.nerf.fields import HashField
from effbench.nerf.fields.tcnn import TcnnField
from effbench.nerf.fields.tcnn_layout import TcnnGrid, pack_network, unpack_network
from tests import fake_tcnn
from tests.signatures import plain, recorded

# two dense levels, then hashed ones
LAYOUT = HashLayout(levels=5, log2_table=10, base=4, finest=32)


@pytest.mark.parametrize("name", fake_tcnn.SIGNATURES)
def test_the_stand_in_takes_what_the_library_takes(name: str) -> None:
    known = recorded(fake_tcnn.SIGNATURES[name])
    assert plain(operator.attrgetter(name)(fake_tcnn)) == known


@pytest.mark.parametrize("name", fake_tcnn.SIGNATURES)
def test_the_signatures_are_the_librarys(name: str) -> None:
    if reason := libraries.missing("tcnn"):
        pytest.skip(reason)
    tcnn = importlib.import_module("tinycudann")
    assert plain(operator.attrgetter(name)(tcnn)) == recorded(fake_tcnn.SIGNATURES[name])


def ours(layout: HashLayout = LAYOUT) -> HashField:
    generator = torch.Generator().manual_seed(0)
    field = HashField(layout, 16, 15, "fp32", "reference", generator)
    with torch.no_grad():
        field.table.normal_(generator=generator)
    return field


def theirs(field: HashField) -> TcnnField:
    return TcnnField(field, library=fake_tcnn)


def points(count: int, most: float = 1.0) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1)) * most


def test_both_kinds_of_level_are_there() -> None:
    assert LAYOUT.dense.tolist() == TcnnGrid(LAYOUT).dense.tolist() == [True] * 2 + [False] * 3


def test_its_grid_has_one_vertex_less_per_axis() -> None:
    grid = TcnnGrid(LAYOUT)
    assert grid.resolutions[:2].tolist() == [s - 1 for s in LAYOUT.strides[:2].tolist()] == [4, 7]
    assert grid.sizes.tolist() == [64, 344, 1024, 1024, 1024]


def test_the_same_weights_give_the_same_outputs_away_from_the_far_faces() -> None:
    field = ours()
    other = theirs(field)
    x = points(60, most=0.8)  # the coarsest lattice, of scale 3, ends at x·3 + 0.5 = 3
    directions = torch.nn.functional.normalize(points(60) - 0.5, dim=1)
    encoded, expected = other.encode(x), field.encode(x)
    torch.testing.assert_close(encoded, expected, rtol=1e-4, atol=1e-4)
    for mine, its in zip(field.log_density(expected), other.log_density(encoded), strict=True):
        torch.testing.assert_close(its, mine, rtol=1e-4, atol=1e-4)
    geometry = field.log_density(expected)[1]
    torch.testing.assert_close(
        other.color_logits(geometry, other.encode_directions(directions)),
        field.color_logits(geometry, field.encode_directions(directions)),
        rtol=1e-4,
        atol=1e-4,
    )


def test_its_weights_become_ours_exactly_everywhere() -> None:
    other = theirs(ours())
    with torch.no_grad():
        other.encoding.params.normal_()
    back = ours()
    back.load_state_dict(other.hash_field())
    x = torch.cat([points(40), torch.ones(1, 3), torch.tensor([[1.0, 0.3, 0.99]])])
    torch.testing.assert_close(back.encode(x), other.encode(x), rtol=1e-4, atol=1e-4)


def test_networks_go_there_and_back() -> None:
    field = ours()
    weights = theirs(field).hash_field()
    for name, expected in field.state_dict().items():
        if name != "table":
            assert torch.equal(weights[name], expected)


def test_what_is_shipped_is_a_hash_field_and_can_be_loaded() -> None:
    first, second = theirs(ours()), theirs(ours())
    with torch.no_grad():
        first.encoding.params.normal_()
        first.color_network.params.normal_()
    second.load_shipped(first.shipped())
    assert {"table", "density_layers.0"} <= set(first.shipped())
    x = torch.cat([points(20), torch.ones(1, 3)])
    assert torch.equal(first.encode(x), second.encode(x))
    geometry, harmonics = torch.rand(21, 15), first.encode_directions(x)
    found = second.color_logits(geometry, harmonics)
    assert torch.equal(first.color_logits(geometry, harmonics), found)


def test_a_level_that_is_dense_in_one_of_them_only_is_refused() -> None:
    layout = HashLayout(levels=1, log2_table=9, base=8, finest=8)  # 8³ = 2^9 < 9³
    grid = TcnnGrid(layout)
    assert grid.dense.tolist() == [True]
    assert layout.dense.tolist() == [False]
    exact = grid.from_ours(torch.randn(layout.rows, 2))  # every vertex has its hashed entry
    assert exact.shape == (512, 2)
    with pytest.raises(ConfigError, match="level 0 is hashed in one layout"):
        grid.to_ours(exact)
    assert "encoding.params" in theirs(ours(layout)).shipped()  # its own, then


def test_wide_first_layers_are_filled_with_zeros() -> None:
    weights = [torch.randn(16, 31), torch.randn(3, 16)]
    flat = pack_network(weights)
    assert len(flat) == 16 * 32 + 16 * 16
    assert not flat[: 16 * 32].view(16, 32)[:, 31].any()
    for mine, expected in zip(unpack_network(flat, [(16, 31), (3, 16)]), weights, strict=True):
        assert torch.equal(mine, expected)


def test_a_version_with_another_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match="lays them out otherwise"):
        unpack_network(torch.zeros(100), [(16, 16), (3, 16)])


def test_the_table_is_what_has_no_weight_decay() -> None:
    other = theirs(ours())
    assert other.table is other.encoding.params


@pytest.mark.gpu
def test_the_real_library_computes_the_same() -> None:
    tcnn = pytest.importorskip("tinycudann")
    field = ours(HashLayout(levels=8, log2_table=14, base=16, finest=256)).cuda()
    other = TcnnField(field, library=tcnn).cuda()
    x = points(4096, most=0.95).cuda()
    torch.testing.assert_close(other.encode(x).float(), field.encode(x), rtol=2e-2, atol=2e-2)
