"""Ray marching: one ray by hand, numba against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels.marching import cube_interval, march
from effbench.kernels.samples import Samples

FULL = torch.full((8 // 8,), 255, dtype=torch.uint8)  # a grid of 2³ cells, all occupied


def along_x(occupancy: torch.Tensor, **changes: object) -> Samples:
    """March one ray along x through y = z = 0.25 with steps of 0.1."""
    arguments: dict[str, object] = {
        "origins": torch.tensor([[-1.0, 0.25, 0.25]]),
        "directions": torch.tensor([[1.0, 0.0, 0.0]]),
        "near": torch.zeros(1),
        "occupancy": occupancy,
        "resolution": 2,
        "step": 0.1,
        "jitter": torch.full((1,), 0.5),
        "limit": 100,
    }
    return march(**{**arguments, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
class TestOneRay:
    def test_samples_lie_at_the_middle_of_each_step(self, backend: str) -> None:
        samples = along_x(FULL, backend=backend)
        expected = [1.05 + 0.1 * k for k in range(10)]
        assert samples.t.tolist() == pytest.approx(expected, abs=1e-5)
        assert samples.positions[:, 0].tolist() == pytest.approx(
            [t - 1 for t in expected], abs=1e-5
        )
        assert torch.unique(samples.positions[:, 1:]).tolist() == [0.25]
        assert samples.offsets.tolist() == [0, 10]
        assert samples.rays.tolist() == [0] * 10
        assert samples.deltas.tolist() == pytest.approx([0.1] * 10)

    def test_empty_cells_are_skipped(self, backend: str) -> None:
        second_cell_on_x = torch.tensor([0b10], dtype=torch.uint8)
        samples = along_x(second_cell_on_x, backend=backend)
        assert samples.t.tolist() == pytest.approx([1.55, 1.65, 1.75, 1.85, 1.95], abs=1e-5)

    def test_near_far_and_limit_bound_the_samples(self, backend: str) -> None:
        samples = along_x(FULL, near=torch.tensor([1.3]), far=1.62, backend=backend)
        assert samples.t.tolist() == pytest.approx([1.35, 1.45, 1.55], abs=1e-5)
        assert len(along_x(FULL, limit=4, backend=backend)) == 4

    def test_a_ray_that_misses_has_no_samples(self, backend: str) -> None:
        beside = torch.tensor([[-1.0, 1.25, 0.25]])
        samples = along_x(FULL, origins=beside, backend=backend)
        assert samples.offsets.tolist() == [0, 0]
        behind = torch.tensor([[2.0, 0.25, 0.25]])
        assert len(along_x(FULL, origins=behind, backend=backend)) == 0


def random_rays(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rays from around the cube through it, and a jitter for each."""
    generator = torch.Generator().manual_seed(0)
    origins = torch.rand(count, 3, generator=generator) * 3 - 1
    through = torch.rand(count, 3, generator=generator)
    directions = torch.nn.functional.normalize(through - origins, dim=1)
    return origins, directions, torch.rand(count, generator=generator)


@pytest.mark.parametrize("occupied_share", [0.3, 0.01])  # with and without empty blocks of cells
@pytest.mark.parametrize("limit", [1000, 7])
def test_numba_equals_the_definition(limit: int, occupied_share: float) -> None:
    origins, directions, jitter = random_rays(400)
    occupied = torch.rand(16**3, generator=torch.Generator().manual_seed(1)) < occupied_share
    bits = torch.from_numpy(np.packbits(occupied.numpy(), bitorder="little"))
    step = math.sqrt(3) / 200
    fast, slow = (
        march(origins, directions, torch.zeros(400), bits, 16, step, jitter, limit, backend=backend)
        for backend in ("cpu", "reference")
    )
    # a sample on a cell's face may fall to either side: allow one in ten thousand
    assert (fast.offsets.diff() != slow.offsets.diff()).float().mean() <= 1e-4 * limit
    assert len(fast) == pytest.approx(len(slow), rel=1e-4)
    same = (fast.offsets.diff() == slow.offsets.diff())[fast.rays]
    kept = (fast.offsets.diff() == slow.offsets.diff())[slow.rays]
    torch.testing.assert_close(fast.t[same], slow.t[kept], rtol=0, atol=1e-5)
    torch.testing.assert_close(fast.positions[same], slow.positions[kept], rtol=0, atol=1e-5)
    assert torch.equal(fast.rays[same], slow.rays[kept])


@pytest.mark.parametrize(("cascades", "cone"), [(3, 0.0), (1, 0.02), (3, 0.02)])
@pytest.mark.parametrize("limit", [1000, 7])
def test_numba_equals_the_definition_in_cascades(cascades: int, cone: float, limit: int) -> None:
    origins, directions, jitter = random_rays(400)
    generator = torch.Generator().manual_seed(1)
    bits = torch.randint(256, (cascades * 16**3 // 8,), generator=generator).to(torch.uint8)
    arguments = (origins, directions, torch.zeros(400), bits, 16, 0.02, jitter, limit)
    more = {"cascades": cascades, "cone": cone, "step_max": 0.08}
    fast, slow = (march(*arguments, backend=name, **more) for name in ("cpu", "reference"))  # type: ignore[arg-type]
    equal = fast.offsets.diff() == slow.offsets.diff()
    assert equal.float().mean() >= 0.99
    a, b = equal[fast.rays], equal[slow.rays]
    for name in ("positions", "t", "deltas"):
        found, expected = getattr(fast, name)[a], getattr(slow, name)[b]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_cube_is_entered_and_left_where_planes_are_crossed() -> None:
    origins = torch.tensor([[-1.0, 0.5, 0.5], [0.5, 0.5, 0.5]])
    directions = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    enter, leave = cube_interval(origins, directions)
    assert enter.tolist() == pytest.approx([1.0, 0.0])
    assert leave.tolist() == pytest.approx([2.0, 0.5])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("capacity", [1500, 5000])  # fewer and more than there are
def test_a_capacity_fixes_the_length(backend: str, capacity: int) -> None:
    origins, directions, jitter = random_rays(60)
    bits = torch.full((64,), 0b10110111, dtype=torch.uint8)
    arguments = (origins, directions, torch.zeros(60), bits, 8, math.sqrt(3) / 100, jitter, 1000)
    free = march(*arguments, backend=backend)
    fixed = march(*arguments, backend=backend, capacity=capacity)
    assert 1500 < len(free) < 5000
    real = min(len(free), capacity)
    assert torch.equal(fixed.offsets, free.offsets.clamp_max(capacity))
    assert fixed.wanted == len(free)
    assert len(fixed) == capacity
    for name in ("positions", "t", "rays", "deltas"):
        values = getattr(fixed, name)
        torch.testing.assert_close(values[:real], getattr(free, name)[:real], rtol=0, atol=1e-6)
        assert len(values) == capacity
    assert not fixed.deltas[real:].any()
    assert not fixed.t[real:].any()
    assert not fixed.rays[real:].any()
    assert (fixed.positions[real:] == 0.5).all()


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_ray_that_starts_at_infinity_has_no_samples(backend: str) -> None:
    samples = along_x(FULL, near=torch.tensor([math.inf]), backend=backend, capacity=4)
    assert samples.offsets.tolist() == [0, 0]
    assert samples.positions.tolist() == [[0.5] * 3] * 4


@pytest.mark.parametrize("backend", ["cpu", "reference"])
class TestCascadesAndCones:
    """The ray along x enters the cube of two cascades, [−0.5, 1.5]³, at t = 0.5."""

    def test_a_sample_looks_at_the_finest_cascade_around_it(self, backend: str) -> None:
        only_outside = torch.tensor([0, 255], dtype=torch.uint8)
        samples = along_x(only_outside, cascades=2, backend=backend)
        before = [-0.45, -0.35, -0.25, -0.15, -0.05]
        after = [1.05, 1.15, 1.25, 1.35, 1.45]
        assert samples.positions[:, 0].tolist() == pytest.approx([*before, *after], abs=1e-5)

    def test_a_long_step_looks_at_cells_no_shorter_than_itself(self, backend: str) -> None:
        only_outside = torch.tensor([0, 255], dtype=torch.uint8)
        samples = along_x(only_outside, cascades=2, step=0.6, backend=backend)
        assert samples.positions[:, 0].tolist() == pytest.approx([-0.2, 0.4, 1.0], abs=1e-5)

    def test_steps_grow_with_the_distance(self, backend: str) -> None:
        samples = along_x(FULL, step=0.05, cone=0.1, step_max=0.12, backend=backend)
        lengths = [0.105, 0.1155, *[0.12] * 7]
        assert samples.deltas.tolist() == pytest.approx(lengths, abs=1e-6)
        expected = [1.05 + sum(lengths[:k]) for k in range(9)]
        assert samples.t.tolist() == pytest.approx(expected, abs=1e-5)

    def test_steps_that_cannot_be_are_refused(self, backend: str) -> None:
        with pytest.raises(ConfigError, match="step ≤ step_max"):
            along_x(FULL, step=0.1, cone=0.1, step_max=0.05, backend=backend)
