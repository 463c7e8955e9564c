"""Warps: sizes as published, next to nothing at first, right gradients; fields behind them."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.hash_encoding_4d import HashLayout4D
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields.mlp import MLPShape
from effbench.nerf.fields.time_designs import MovingField
from effbench.nerf.fields.warp import Warp, WarpedMLPField, WarpShape, warped


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.rand(count, 4, generator=generator(3))
    return 0.1 + 0.8 * drawn[:, :3], drawn[:, 3]


def bent() -> Warp:
    """A warp that moves points by about a tenth of the cube."""
    warp = Warp(WarpShape(2, 2, hidden=16, layers=3), generator())
    torch.nn.init.normal_(warp.last.weight, std=0.1, generator=generator(1))
    return warp


def hash_field(backend: str = "auto") -> MovingField:
    layout = HashLayout(levels=3, log2_table=9, base=4, finest=16)
    field = MovingField(layout, 8, 3, "fp32", backend, generator())
    field.add_time(HashLayout4D(2, 9, 3, 8, 2, 4), bent(), None, generator())
    for table in (field.table, field.moving_table):
        torch.nn.init.normal_(table, generator=generator(2))
    return field


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_those_of_nerfacc() -> None:
    warp = Warp(WarpShape(), generator())
    assert count(warp) == 17_347
    field = WarpedMLPField(MLPShape(), "fp32", generator())
    field.add_warp(warp)
    assert count(field) == 613_191


def test_a_warp_starts_as_the_identity() -> None:
    positions, times = points(200)
    moved = warped(Warp(WarpShape(), generator()), positions, times) - positions
    assert 0 < moved.abs().max() < 1e-2


def test_points_stay_in_the_cube() -> None:
    warp = bent()
    torch.nn.init.constant_(warp.last.bias, 5.0)
    positions, times = points()
    assert (warped(warp, positions, times) == 1).all()


def test_its_jacobian_is_that_of_finite_differences() -> None:
    warp = bent().double()
    positions, times = (each.double() for each in points(5))

    def displaced(p: torch.Tensor) -> torch.Tensor:
        x = warp.hidden  # in double precision throughout: `forward` returns float32
        from effbench.nerf.fields.encodings import frequency_encode

        inputs = torch.cat([frequency_encode(2 * p - 1, 2), frequency_encode(times[:, None], 2)], 1)
        h = torch.relu(x[0](inputs))
        h = torch.relu(x[1](h))
        h = torch.relu(x[2](torch.cat([h, inputs], 1)))
        return warp.last(h)

    torch.testing.assert_close(warp(positions, times), displaced(positions).float())
    assert torch.autograd.gradcheck(displaced, positions.requires_grad_())


@pytest.mark.parametrize("known", [False, True])
def test_gradients_through_the_encoding_are_those_of_its_definition(known: bool) -> None:
    positions, times = points()
    found = []
    for backend in ("auto", "reference"):
        field = hash_field(backend)
        encoded = None
        if known:
            with torch.no_grad():
                encoded = field.encode_at(positions, times)
        features = field.encode_at(positions, times, encoded)
        weights = torch.rand(features.shape, generator=generator(4))
        (features * weights).sum().backward()
        found.append({name: p.grad for name, p in field.named_parameters() if p.grad is not None})
    ours, theirs = found
    assert ours.keys() == theirs.keys() >= {"table", "moving_table", "warp.last.weight"}
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["hash", "mlp"])
def test_what_a_field_shows_depends_on_the_time(kind: str) -> None:
    field: MovingField | WarpedMLPField = hash_field()
    if kind == "mlp":
        field = WarpedMLPField(MLPShape((16,) * 8, 16, 8), "fp32", generator())
        field.add_warp(bent())
    positions, _ = points()
    early, late, still = (
        field.density(field.encode_at(positions, times))[0]
        for times in (torch.zeros(40), torch.ones(40), None)
    )
    assert not torch.allclose(early, late)
    assert torch.equal(early, still), "without times it shows the beginning"
    assert field.plain() is None
