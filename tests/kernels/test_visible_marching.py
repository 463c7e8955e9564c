"""What is worth training on, in one kernel, against its definition."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from effbench.kernels.contraction import Norm
from effbench.kernels.cpu import visible_marching as cpu
from effbench.kernels.ray_rendering import Marching
from effbench.kernels.samples import Samples
from effbench.kernels.visible_marching import march_visible, march_visible_reference
from tests.kernels.test_ray_rendering import field, in_cascades, marching, rays

ALL = 1 << 20
Found = tuple[Samples, Tensor]


def jitter(count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(3))


def both(
    where: Marching, limit: int = ALL, eps: float = 1e-3, least: float = 0.0
) -> tuple[Found, Found]:
    arguments = (*rays(700), jitter(700), field(), where, limit, eps, least)
    return march_visible(*arguments), march_visible_reference(*arguments)


def compare(found: Found, expected: Found) -> None:
    """Check samples and encodings of the rays that have as many of both: rounding at a cell's face
    or a threshold adds or drops a sample of few."""
    (mine, encoded), (other, known) = found, expected
    same = mine.offsets.diff() == other.offsets.diff()
    assert same.float().mean() > 0.97
    here, there = same[mine.rays], same[other.rays]
    assert torch.equal(mine.rays[here], other.rays[there])
    far = (mine.t[here] - other.t[there]).abs() > 1e-3 * other.t[there]
    assert far.float().mean() < 0.01
    near = ~far
    for values, wanted in [
        (mine.positions, other.positions),
        (mine.deltas, other.deltas),
        (encoded, known),
    ]:
        torch.testing.assert_close(values[here][near], wanted[there][near], rtol=1e-2, atol=2e-2)


@pytest.mark.parametrize("least", [0.0, 0.008])
@pytest.mark.parametrize("share", [0.03, 0.4, 1.0])
@pytest.mark.parametrize("norm", [None, "linf", "l2"])
def test_it_keeps_what_the_definition_keeps(norm: Norm | None, share: float, least: float) -> None:
    far = 3.0 if norm is None else 500.0
    where = replace(marching(share, near=0.05, far=far), norm=norm)
    found, expected = both(where, least=least)
    assert len(found[0]) > 50
    compare(found, expected)


@pytest.mark.parametrize("least", [0.0, 0.008])
@pytest.mark.parametrize(("cascades", "cone"), [(1, 0.0), (3, 0.0), (3, 1 / 64), (5, 1 / 256)])
def test_it_keeps_what_the_definition_keeps_in_cascades(
    cascades: int, cone: float, least: float
) -> None:
    found, expected = both(in_cascades(0.3, cascades, cone), least=least)
    assert len(found[0]) > 50
    compare(found, expected)


@pytest.mark.parametrize("where", [marching(1.0), in_cascades(1.0, 3, 1 / 64)])
def test_a_ray_looks_at_no_more_than_its_limit(where: Marching) -> None:
    found, expected = both(where, limit=7, eps=0.0)
    compare(found, expected)
    assert found[0].offsets.diff().max() == 7


def test_what_finds_no_room_makes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = both(marching(1.0), eps=0.0)
    monkeypatch.setattr(cpu, "_ROOM", 1)
    again, _ = both(marching(1.0), eps=0.0)
    for name in ("positions", "t", "rays", "offsets", "deltas"):
        assert torch.equal(getattr(whole[0], name), getattr(again[0], name))
    assert torch.equal(whole[1], again[1])


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129])
def test_any_number_of_rays(count: int) -> None:
    origins, directions = (each[:count] for each in rays(400))
    found, encoded = march_visible(
        origins, directions, jitter(400)[:count], field(), marching(0.5), ALL, 1e-3
    )
    whole, all_encoded = march_visible(*rays(400), jitter(400), field(), marching(0.5), ALL, 1e-3)
    own = int(whole.offsets[count])
    assert torch.equal(found.t, whole.t[:own])
    assert torch.equal(encoded, all_encoded[:own])
    assert torch.equal(found.offsets, whole.offsets[: count + 1])


def test_rays_that_meet_nothing_have_no_samples() -> None:
    found, encoded = both(marching(0.0))[0]
    assert len(found) == 0
    assert encoded.shape == (0, 16)
    assert found.offsets.tolist() == [0] * 701


def test_nan_is_kept_to_be_seen() -> None:
    networks = field()
    networks.density[1][0, 0] = torch.nan
    found, _ = march_visible(*rays(300), jitter(300), networks, marching(0.5), ALL, 1e-3, 0.008)
    assert len(found) > 0
