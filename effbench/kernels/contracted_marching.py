"""Ray marching through an occupancy grid over contracted space (`effbench.kernels.contraction`).

Rays are straight, in coordinates x in which the inner cube is [0, 1]³; grid and samples live in the
field's unit cube. Steps are of one length there, whichever way and wherever a ray goes:
t_{k+1} = t_k + dt(t_k), dt = 2·step / ‖J d‖, from near + jitter·dt(near). A sample stands for the
length dt·∛det J / 2, as a ball of space would be shrunk, so that a ray's optical depth does not
depend on the way that it crosses a cell. Notation otherwise as in `effbench.kernels.marching`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.backends import resolve
from effbench.kernels.contraction import Norm, contract, shrinkage, speed
from effbench.kernels.marching import occupied_cells, select
from effbench.kernels.samples import Samples


def march_contracted(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float,
    norm: Norm = "linf",
    backend: str = "auto",
    capacity: int | None = None,
) -> Samples:
    """Place at most `limit` samples per ray in the occupied cells of contracted space.

    origins, directions: float32 [R, 3], directions of unit length; near: float32 [R], no sample
    lies before it; far: nor behind this distance, which is finite; occupancy: uint8 [G³ / 8] bits;
    resolution: G; step > 0: in sides of the field's cube; jitter: float32 [R] in [0, 1]; capacity:
    as in `marching.march`. Positions of the samples are in the field's cube, `t` is along the ray.
    """
    if not (step > 0 and math.isfinite(far)):
        raise ConfigError(f"contracted marching needs step > 0 and a finite far, not {step}, {far}")
    chosen = resolve(backend, origins.device)
    arguments = (origins, directions, near, occupancy, resolution, step, jitter, limit, far, norm)
    if chosen == "triton":
        from effbench.kernels.gpu import contracted_marching as gpu

        return gpu.march(*arguments, capacity)
    if chosen == "cpu":
        from effbench.kernels.cpu import contracted_marching as cpu

        rays = (origins.numpy(), directions.numpy(), near.numpy())
        found = cpu.march(
            *rays, occupancy.numpy(), jitter.numpy(), resolution, step, limit, far, norm
        )
        samples = Samples(*map(torch.from_numpy, found))
        return samples if capacity is None else samples.with_capacity(capacity)
    return march_contracted_reference(*arguments, capacity)


def march_contracted_reference(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    occupancy: Tensor,
    resolution: int,
    step: float,
    jitter: Tensor,
    limit: int,
    far: float,
    norm: Norm = "linf",
    capacity: int | None = None,
) -> Samples:
    """The definition: every step of every ray, then a look at its cell."""

    def at(t: Tensor) -> Tensor:
        return 2 * (origins[:, None] + t[..., None] * directions[:, None]) - 1

    def forward(t: Tensor) -> Tensor:
        return step_at(at(t), directions[:, None], step, norm)

    start = near[:, None]
    t = start + jitter[:, None] * forward(start)
    ts, steps = [], []
    for _ in range(_most_steps(step)):
        ts.append(t)
        steps.append(forward(t))
        t = t + steps[-1]
    t, dt = torch.cat(ts, 1), torch.cat(steps, 1)
    u = at(t)
    positions = contract(u, norm)
    kept = (t < far) & occupied_cells(positions, occupancy, resolution)
    kept &= kept.cumsum(1) <= limit
    deltas = dt * shrinkage(u, norm) / 2
    return select(kept, positions, t, deltas, capacity)


def step_at(u: Tensor, directions: Tensor, step: float, norm: Norm) -> Tensor:
    """Return how far along a ray of `directions` the next sample is, at points u, both [..., 3]."""
    return 2 * step / speed(u, directions, norm)


def _most_steps(step: float) -> int:
    """Return a bound on the steps of a ray: no contracted path is as long as two diagonals."""
    return math.ceil(2 * math.sqrt(3) / step) + 1
