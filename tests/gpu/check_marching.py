"""Ray marching in Triton: samples are those of the definition, but for some on a cell's face."""

from __future__ import annotations

import math

import pytest
import torch
import triton.language as tl

from effbench.kernels.gpu import jit, marching
from effbench.kernels.marching import march
from effbench.kernels.samples import Samples

Rays = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def rays(device: torch.device, scale: int, generator: torch.Generator) -> Rays:
    """Origins and directions through the cube from around it, near, and jitter."""
    count = 45 * scale
    origins = torch.rand(count, 3, generator=generator, device=device) * 3 - 1
    through = torch.rand(count, 3, generator=generator, device=device)
    directions = torch.nn.functional.normalize(through - origins, dim=1)
    directions[0] = torch.tensor([0.0, 0, 1])  # along an axis
    near = torch.zeros(count, device=device)
    near[1] = math.inf  # a ray that is switched off
    return origins, directions, near, torch.rand(count, generator=generator, device=device)


def random_grid(
    share: float, resolution: int, cascades: int, generator: torch.Generator
) -> torch.Tensor:
    cells = (cascades * resolution**3 // 8, 8)
    occupied = torch.rand(cells, generator=generator, device=generator.device) < share
    return (occupied * (1 << torch.arange(8, device=generator.device))).sum(1).to(torch.uint8)


def assert_close(ours: Samples, theirs: Samples, tolerance: float = 1e-5) -> None:
    """Compare the rays that have as many samples in both, which all but a few must have."""
    equal = ours.offsets.diff() == theirs.offsets.diff()
    assert (~equal).float().mean() <= 0.03
    assert len(theirs) > 30
    a, b = (equal[s.rays] for s in (ours, theirs))
    assert torch.equal(ours.rays[a], theirs.rays[b])
    torch.testing.assert_close(ours.t[a], theirs.t[b], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(ours.positions[a], theirs.positions[b], rtol=0, atol=tolerance)
    torch.testing.assert_close(ours.deltas[a], theirs.deltas[b], rtol=tolerance, atol=0)


@pytest.mark.parametrize(
    ("share", "resolution", "limit"),
    [(0.3, 16, 1000), (0.05, 16, 1000), (0.3, 16, 7), (0.3, 10, 1000)],  # 10: no blocks of cells
)
def test_constant_steps(
    rays: Rays, generator: torch.Generator, share: float, resolution: int, limit: int
) -> None:
    origins, directions, near, jitter = rays
    bits = random_grid(share, resolution, 1, generator)
    step = math.sqrt(3) / 50
    arguments = (origins, directions, near, bits, resolution, step, jitter, limit, 2.5)
    ours, theirs = (march(*arguments, backend) for backend in ("triton", "reference"))
    assert_close(ours, theirs)
    assert ours.offsets[2] == ours.offsets[1]


@pytest.mark.parametrize(("cascades", "cone"), [(3, 0.0), (1, 0.02), (3, 0.02)])
def test_cascades_and_cones(
    rays: Rays, generator: torch.Generator, cascades: int, cone: float
) -> None:
    origins, directions, near, jitter = rays
    bits = random_grid(0.05, 16, cascades, generator)
    arguments = (origins, directions, near, bits, 16, 0.04, jitter, 1000)
    ours, theirs = (
        march(*arguments, backend=backend, cascades=cascades, cone=cone, step_max=0.16)
        for backend in ("triton", "reference")
    )
    assert_close(ours, theirs, 1e-4)
    if cone:
        assert (ours.deltas.amax() > 0.02) & (ours.deltas.amin() >= 0.02)
    if cascades > 1:
        assert ours.positions.amax() > 1


@pytest.mark.parametrize("share", [0.3, 3.0])  # of the samples there are
def test_a_capacity_fixes_the_length(rays: Rays, generator: torch.Generator, share: float) -> None:
    origins, directions, near, jitter = rays
    bits = random_grid(0.3, 16, 1, generator)
    arguments = (origins, directions, near, bits, 16, math.sqrt(3) / 50, jitter, 1000)
    free = march(*arguments, backend="triton")
    capacity = int(share * len(free))
    fixed = march(*arguments, backend="triton", capacity=capacity)
    expected = free.with_capacity(capacity)
    assert len(fixed) == capacity
    assert fixed.wanted == len(free)
    for name in ("positions", "t", "rays", "deltas", "offsets"):
        assert torch.equal(getattr(fixed, name), getattr(expected, name)), name


@jit
def _exits(scaled, cells, directions, out, SIZE: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    i = tl.arange(0, BLOCK)
    d = tl.load(directions + i)
    inverse = 1.0 / tl.where(d == 0.0, 1e-10, d)
    ahead = marching._exit(tl.load(scaled + i), tl.load(cells + i), d, inverse, 0.25, SIZE)
    tl.store(out + i, ahead)


@pytest.mark.parametrize("size", [1, 4])
def test_the_way_out_of_a_block_of_cells(device: torch.device, size: int) -> None:
    """On one axis, in a cube of 8 cells of ¼: what is not moved along is never left."""
    directions = torch.tensor([0.5, -0.5, 0.0, -0.0], device=device)
    scaled = torch.full((4,), 5.5, device=device)
    out = torch.empty(4, device=device)
    _exits[(1,)](scaled, scaled.int(), directions, out, size, 4)
    forward, backward = {1: (0.5, 0.5), 4: (2.5, 1.5)}[size]  # in cells
    assert out.tolist() == [forward / 2, backward / 2, math.inf, math.inf]


@pytest.mark.parametrize("axis", range(3))
def test_rays_along_an_axis(device: torch.device, generator: torch.Generator, axis: int) -> None:
    bits = random_grid(0.05, 16, 1, generator)
    towards = torch.ones(30, device=device)
    towards[::2] = -1
    origins = torch.rand(30, 3, generator=generator, device=device)
    origins[:, axis] = 0.5 - towards
    directions = torch.zeros(30, 3, device=device)
    directions[:, axis] = towards
    zeros = torch.zeros(30, device=device)
    arguments = (origins, directions, zeros, bits, 16, math.sqrt(3) / 90, zeros, 1000)
    ours, theirs = (march(*arguments, backend=backend) for backend in ("triton", "reference"))
    assert_close(ours, theirs)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of the interpreter
@pytest.mark.parametrize("broken", range(4))
def test_a_ray_of_nan_has_no_samples(rays: Rays, broken: int) -> None:
    """In its origin, direction, near or jitter; the others have theirs."""
    rays[broken][3] = math.nan
    origins, directions, near, jitter = rays
    bits = torch.full((64,), 255, dtype=torch.uint8, device=origins.device)
    arguments = (origins, directions, near, bits, 8, 0.05, jitter, 1000)
    ours, theirs = (march(*arguments, backend=backend) for backend in ("triton", "reference"))
    assert_close(ours, theirs)
    assert ours.offsets[4] == ours.offsets[3]


def test_no_rays(device: torch.device) -> None:
    none, nothing = torch.empty(0, device=device), torch.empty(0, 3, device=device)
    bits = torch.full((64,), 255, dtype=torch.uint8, device=device)
    arguments = (nothing, nothing, none, bits, 8, 0.1, none, 10)
    assert len(march(*arguments, backend="triton")) == 0
    assert len(march(*arguments, backend="triton", capacity=5)) == 5
