"""Marching through contracted space: even steps in the field, numba against the definition."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.contracted_marching import march_contracted
from effbench.kernels.contraction import Norm, contract
from effbench.kernels.samples import Samples

FULL = torch.full((8,), 255, dtype=torch.uint8)  # a grid of 4³ cells, all occupied
NORMS = get_args(Norm)


def through_the_middle(occupancy: Tensor = FULL, **changes: object) -> Samples:
    """March one ray along x from the middle with steps of 1/16 of the field's cube."""
    arguments: dict[str, object] = {
        "origins": torch.full((1, 3), 0.5),
        "directions": torch.tensor([[1.0, 0.0, 0.0]]),
        "near": torch.zeros(1),
        "occupancy": occupancy,
        "resolution": 4,
        "step": 1 / 16,
        "jitter": torch.full((1,), 0.5),
        "limit": 100,
        "far": 400.0,
    }
    return march_contracted(**{**arguments, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
class TestOneRay:
    def test_steps_are_even_inside_and_shorten_by_little_outside(
        self, backend: str, norm: Norm
    ) -> None:
        samples = through_the_middle(backend=backend, norm=norm)
        x = samples.positions[:, 0]
        inside = x < 0.75
        expected = [0.5 + (k + 0.5) / 16 for k in range(4)]
        assert x[inside].tolist() == pytest.approx(expected)
        assert samples.t[inside].tolist() == pytest.approx([(k + 0.5) / 8 for k in range(4)])
        assert samples.deltas[inside].tolist() == pytest.approx([1 / 16] * 4)
        steps = x[~inside].diff()
        assert steps[0] == pytest.approx(1 / 16, rel=0.3), "its speed is that of its beginning"
        assert (steps > 0).all()
        assert (steps.diff() < 0).all()
        assert x[-1] < 1

    def test_a_samples_length_is_that_of_a_ball_of_space(self, backend: str, norm: Norm) -> None:
        samples = through_the_middle(backend=backend, norm=norm)
        last = samples.t[-1] * 2  # u, where the inner cube reaches to 1
        along = 1 / last**2  # a step of t moves the field by this, less a half
        ball = ((2 * last - 1) ** 2) ** (1 / 3) / last**2
        assert samples.deltas[-1] == pytest.approx(float(ball / along / 16), rel=1e-4)

    def test_cells_far_and_limit_bound_the_samples(self, backend: str, norm: Norm) -> None:
        only_last_slab = torch.full((8,), 0b10001000, dtype=torch.uint8)  # x in [¾, 1]
        outside = through_the_middle(only_last_slab, backend=backend, norm=norm)
        assert outside.positions[:, 0].min() >= 0.75
        assert len(through_the_middle(far=0.4, backend=backend, norm=norm)) == 3
        assert len(through_the_middle(limit=2, backend=backend, norm=norm)) == 2

    @pytest.mark.parametrize("near", [1e9, math.inf])
    def test_a_ray_that_is_switched_off_has_no_samples(
        self, backend: str, norm: Norm, near: float
    ) -> None:
        off = torch.tensor([near])
        samples = through_the_middle(near=off, capacity=4, backend=backend, norm=norm)
        assert samples.offsets.tolist() == [0, 0]
        assert samples.positions.tolist() == [[0.5] * 3] * 4


def random_rays(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rays from in and around the inner cube, and a jitter for each."""
    generator = torch.Generator().manual_seed(0)
    origins = torch.rand(count, 3, generator=generator) * 2 - 0.5
    directions = torch.randn(count, 3, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=1)
    return origins, directions, torch.rand(count, generator=generator)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("limit", [1000, 7])
def test_numba_equals_the_definition(limit: int, norm: Norm) -> None:
    origins, directions, jitter = random_rays(400)
    generator = torch.Generator().manual_seed(1)
    bits = torch.randint(256, (16**3 // 8,), generator=generator).to(torch.uint8)
    near = torch.full((400,), 0.1)
    fast, slow = (
        march_contracted(
            *(origins, directions, near, bits, 16, 1 / 64, jitter, limit, 500.0, norm), backend
        )
        for backend in ("cpu", "reference")
    )
    equal = fast.offsets.diff() == slow.offsets.diff()
    assert equal.float().mean() >= 0.99, "a sample on a cell's face may fall to either side"
    a, b = equal[fast.rays], equal[slow.rays]
    torch.testing.assert_close(fast.positions[a], slow.positions[b], rtol=0, atol=1e-5)
    torch.testing.assert_close(fast.t[a], slow.t[b], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(fast.deltas[a], slow.deltas[b], rtol=1e-3, atol=0)
    assert torch.equal(fast.rays[a], slow.rays[b])


@pytest.mark.parametrize("norm", NORMS)
def test_a_ray_is_followed_to_its_end(norm: Norm) -> None:
    """No ray is longer in contracted space than what the definition goes."""
    origins, directions, jitter = random_rays(400)
    bits = torch.full((64,), 255, dtype=torch.uint8)
    samples = march_contracted(
        *(origins, directions, torch.zeros(400), bits, 8, 1 / 40, jitter, 1 << 20, 1e4, norm),
        "reference",
    )
    last = samples.offsets[1:] - 1
    ends = origins + samples.t[last, None] * directions
    expected = contract(2 * ends - 1, norm)
    torch.testing.assert_close(samples.positions[last], expected, rtol=0, atol=1e-3)
    to_infinity = contract(2 * (origins + 1e4 * directions) - 1, norm)
    assert (samples.positions[last] - to_infinity).norm(dim=1).max() < 2.5 / 40


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("share", [0.3, 3.0])  # of the samples there are
def test_a_capacity_fixes_the_length(backend: str, share: float) -> None:
    origins, directions, jitter = random_rays(60)
    bits = torch.full((64,), 0b10110111, dtype=torch.uint8)
    arguments = (origins, directions, torch.zeros(60), bits, 8, 1 / 40, jitter, 1000, 500.0)
    free = march_contracted(*arguments, backend=backend)
    capacity = int(share * len(free))
    fixed = march_contracted(*arguments, backend=backend, capacity=capacity)
    expected = free.with_capacity(capacity)
    assert fixed.wanted == len(free)
    for name in ("positions", "t", "rays", "deltas", "offsets"):
        assert torch.equal(getattr(fixed, name), getattr(expected, name)), name


@pytest.mark.parametrize(("step", "far"), [(0.0, 10.0), (0.1, math.inf)])
def test_what_cannot_be_marched_is_refused(step: float, far: float) -> None:
    with pytest.raises(ConfigError, match="needs step > 0 and a finite far"):
        through_the_middle(step=step, far=far)
