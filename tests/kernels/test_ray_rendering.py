"""Rendering in one kernel against its definition: fields of every width, rays of every fate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from effbench.kernels.contraction import Norm
from effbench.kernels.cpu import hash_blocks, vectors
from effbench.kernels.cpu.cell_distances import cell_distances
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.ray_rendering import (
    LEAST_WEIGHT,
    HashNetworks,
    Marching,
    render_rays,
    render_rays_reference,
)

BACKGROUND = torch.tensor([1.0, 0.5, 0.2])
GRID = 16


def field(hidden: int = 32, geometry: int = 15, levels: int = 8) -> HashNetworks:
    generator = torch.Generator().manual_seed(hidden + geometry + levels)
    layout = HashLayout(levels, log2_table=13, base=8, finest=96)

    def matrix(outputs: int, inputs: int) -> Tensor:
        return torch.randn(outputs, inputs, generator=generator) * math.sqrt(2 / inputs)

    return HashNetworks(
        torch.randn(layout.rows, 2, generator=generator),
        layout,
        (matrix(hidden, 2 * levels), matrix(1 + geometry, hidden)),
        (matrix(hidden, 16 + geometry), matrix(hidden, hidden), matrix(3, hidden)),
    )


def marching(share: float, near: float = 0.1, far: float = 3.0) -> Marching:
    """A grid in which a share of the cells is occupied."""
    occupied = np.random.default_rng(0).random(GRID**3) < share
    bits = np.packbits(occupied, bitorder="little")
    distances = torch.from_numpy(cell_distances(bits, GRID))
    step = math.sqrt(3) / 200
    return Marching(torch.from_numpy(bits), GRID, step, near, far, distances)


def rays(count: int) -> tuple[Tensor, Tensor]:
    """Rays from around the cube, most through it, some beside it, some along an axis."""
    generator = torch.Generator().manual_seed(1)
    origins = torch.rand(count, 3, generator=generator) * 3 - 1
    towards = torch.rand(count, 3, generator=generator) * 1.4 - 0.2
    directions = functional.normalize(towards - origins, dim=1)
    directions[: count // 8] = torch.tensor([0.0, 1.0, 0.0])
    return origins, directions


@pytest.mark.parametrize(
    ("hidden", "geometry", "levels"), [(32, 15, 8), (24, 7, 4), (64, 15, 16), (40, 20, 5)]
)
@pytest.mark.parametrize("share", [0.03, 0.4, 1.0])
def test_colours_are_those_of_the_definition(
    hidden: int, geometry: int, levels: int, share: float
) -> None:
    networks, where = field(hidden, geometry, levels), marching(share)
    found = render_rays(*rays(700), networks, where, 1e-3, BACKGROUND)
    expected = render_rays_reference(*rays(700), networks, where, 1e-3, BACKGROUND)
    # a sample of less weight than LEAST_WEIGHT has no colour; a ray has some 100 samples at most
    assert (found - expected).abs().max() < 100 * LEAST_WEIGHT
    assert (found - expected).abs().mean() < 1e-4


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("share", [0.03, 0.4, 1.0])
def test_colours_through_contracted_space_are_those_of_the_definition(
    norm: Norm, share: float
) -> None:
    networks, where = field(), replace(marching(share, near=0.05, far=500.0), norm=norm)
    found = render_rays(*rays(700), networks, where, 1e-3, BACKGROUND)
    expected = render_rays_reference(*rays(700), networks, where, 1e-3, BACKGROUND)
    # rounding puts a sample at a cell's face into its neighbour: then a colour differs by all of it
    off = (found - expected).abs()
    assert off.mean() < 1e-3
    assert (off.amax(1) > 100 * LEAST_WEIGHT).float().mean() < 0.05


def in_cascades(share: float, cascades: int, cone: float) -> Marching:
    """As `marching`, with a grid for each of some cascades."""
    occupied = np.random.default_rng(0).random((cascades, GRID**3)) < share
    bits = np.packbits(occupied, axis=1, bitorder="little")
    distances = np.concatenate([cell_distances(each, GRID) for each in bits])
    longest = math.sqrt(3) * 2 ** (cascades - 1) / GRID
    where = (torch.from_numpy(bits).flatten(), GRID, math.sqrt(3) / 100, 0.05, 500.0)
    return Marching(*where, torch.from_numpy(distances), None, cascades, cone, longest)


@pytest.mark.parametrize(("cascades", "cone"), [(1, 0.0), (3, 0.0), (3, 1 / 64), (5, 1 / 256)])
@pytest.mark.parametrize("share", [0.03, 0.4, 1.0])
def test_colours_through_cascades_are_those_of_the_definition(
    cascades: int, cone: float, share: float
) -> None:
    networks, where = field(), in_cascades(share, cascades, cone)
    found = render_rays(*rays(700), networks, where, 1e-3, BACKGROUND)
    expected = render_rays_reference(*rays(700), networks, where, 1e-3, BACKGROUND)
    off = (found - expected).abs()  # rounding at a cell's face, as in contracted space
    assert off.mean() < 1e-3
    assert (off.amax(1) > 100 * LEAST_WEIGHT).float().mean() < 0.05
    assert (found != BACKGROUND).any(1).float().mean() > 0.2, "most rays meet something"


def test_every_ray_can_have_a_background_of_its_own() -> None:
    behind = torch.rand(600, 3, generator=torch.Generator().manual_seed(2))
    nothing = render_rays(*rays(600), field(), marching(0.0), 1e-4, behind)
    assert torch.equal(nothing, behind)
    found = render_rays(*rays(600), field(), marching(0.1), 1e-4, behind)
    expected = render_rays_reference(*rays(600), field(), marching(0.1), 1e-4, behind)
    assert (found - expected).abs().max() < 100 * LEAST_WEIGHT


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1100])
def test_any_number_of_rays(count: int) -> None:
    networks, where = field(), marching(0.2)
    origins, directions = (each[:count] for each in rays(1100))
    found = render_rays(origins, directions, networks, where, 1e-4, BACKGROUND)
    whole = render_rays(*rays(1100), networks, where, 1e-4, BACKGROUND)
    assert torch.equal(found, whole[:count]), "a ray's colour is its own"


def test_rays_that_meet_nothing_show_the_background() -> None:
    found = render_rays(*rays(600), field(), marching(0.0), 1e-4, BACKGROUND)
    assert torch.equal(found, BACKGROUND.expand(600, 3))


def test_near_and_far_bound_what_is_seen() -> None:
    networks, where = field(), marching(1.0, near=0.9, far=1.1)
    found = render_rays(*rays(400), networks, where, 1e-3, BACKGROUND)
    expected = render_rays_reference(*rays(400), networks, where, 1e-3, BACKGROUND)
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=0)


def test_no_early_stop_and_an_opaque_field() -> None:
    networks = field()
    networks.density[1][0] += 1.0  # denser
    for eps in (0.0, 0.5):
        found = render_rays(*rays(300), networks, marching(0.5), eps, BACKGROUND)
        expected = render_rays_reference(*rays(300), networks, marching(0.5), eps, BACKGROUND)
        torch.testing.assert_close(found, expected, atol=1e-2, rtol=0)


def test_nan_in_the_networks_is_seen() -> None:
    networks = field()
    networks.color[2][1, 3] = torch.nan
    found = render_rays(*rays(300), networks, marching(0.5), 1e-3, BACKGROUND)
    assert found[:, 1].isnan().any()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 1.0])
def test_distances_are_those_of_every_cell_to_every_occupied_one(share: float) -> None:
    occupied = np.random.default_rng(3).random(GRID**3) < share
    found = cell_distances(np.packbits(occupied, bitorder="little"), GRID)
    cells = np.stack(np.unravel_index(np.arange(GRID**3), (GRID,) * 3), -1)
    there = cells[occupied]
    expected = np.full(GRID**3, 8)
    if len(there):
        expected = np.abs(cells[:, None] - there).max(-1).min(1).clip(max=8)
    assert (found == expected).all()


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("levels", [1, 8])
def test_encoding_in_blocks_is_the_encoding(count: int, levels: int) -> None:
    layout = HashLayout(levels, log2_table=12, base=4, finest=256)
    table = torch.randn(layout.rows, 2, generator=torch.Generator().manual_seed(0))
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(1))
    features = np.empty(count * layout.width, np.float32)
    index = np.zeros((2, hash_blocks.CORNERS), np.uint32)
    weights = np.zeros((2, hash_blocks.CORNERS), np.float32)
    x, y, z = (points[:, axis].contiguous().numpy() for axis in range(3))
    hash_blocks.encode(
        x, y, z, table.numpy().reshape(-1), layout.scales, layout.strides, layout.dense,
        layout.offsets, features, layout.width, count, index, weights,
    )  # fmt: skip
    expected = hash_encode(points, table, layout, "reference")
    found = torch.from_numpy(features).view(count, layout.width)
    # of entries around 1, at places that float32 knows to 256 · 2⁻²⁴ of a cell
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("columns", [16, 32, 80])  # tiles are 32 wide, and the last may be 16
def test_tiles_make_a_product(columns: int) -> None:
    from numba import njit

    generator = np.random.default_rng(0)
    a = generator.normal(size=(vectors.ROWS, 5)).astype("f4")
    b = generator.normal(size=(5, columns)).astype("f4")
    start = generator.normal(size=(vectors.ROWS, columns)).astype("f4")
    expected = {
        "set": a @ b,
        "relu": (a @ b).clip(0),
        "add": start + a @ b,
        "add_relu": (start + a @ b).clip(0),
    }
    for mode, product in expected.items():
        tile = getattr(vectors, f"product_{mode}")

        @njit
        def multiply(a, lda, along, b, c, columns, tile=tile):  # type: ignore[no-untyped-def]
            tile(a, 0, lda, along, b, columns, c, 0, columns, 5, columns)

        for left, lda, along in ((a, 5, 1), (np.ascontiguousarray(a.T), 1, 8)):
            found = start.copy()
            multiply(left.reshape(-1), lda, along, b.reshape(-1), found.reshape(-1), columns)
            np.testing.assert_allclose(found, product, atol=1e-5)
