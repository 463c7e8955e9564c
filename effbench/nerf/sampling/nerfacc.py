"""Marching and volume rendering by NerfAcc (Li et al. 2023): `--backend nerfacc`."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.compaction import keep_prefix
from effbench.kernels.marching import cube_interval
from effbench.kernels.samples import Samples, offsets_of, ray_of_slot
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.sampling.sampler import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.spaces import Box, Space


class NerfaccSampler(OccupancySampler):
    """Our occupancy grid, updated as ever, marched through by NerfAcc's traversal.

    It steps from where a ray begins, and a sample stands for the length that it gives: the last
    one in a cell may be shorter than a step.
    """

    def __init__(
        self,
        options: OccupancyOptions,
        space: Space,
        device: torch.device,
        backend: str,
        library: Any = None,
    ) -> None:
        """library: the module `nerfacc`, imported unless given."""
        super().__init__(options, space, device, backend)
        if not isinstance(space, Box):
            raise ConfigError(
                f"--backend nerfacc marches through a box, not through {space.name}: use space=box"
            )
        nerfacc = library or importlib.import_module("nerfacc")
        box = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], device=device)
        self._estimator = nerfacc.OccGridEstimator(box, options.resolution, levels=1).to(device)

    def at_once(self, field: RadianceField) -> None:
        """Nothing is done in one kernel: the library marches."""
        return

    def _march(
        self,
        rays: Rays,
        near: Tensor,
        jitter: Tensor,
        limit: int,
        step: float,
        capacity: int | None = None,
    ) -> Samples:
        self._show_grid()
        enter, _ = cube_interval(rays.origins, rays.directions)
        # ours lie at (k + jitter) steps; a sample of theirs is the middle of a step
        begin = (torch.maximum(enter, near) + (jitter - 0.5) * step).clamp_min(0)
        index, starts, ends = self._estimator.sampling(
            rays.origins,
            rays.directions,
            t_min=begin,
            far_plane=min(self.space.aabb.far, 1e10),
            render_step_size=step,
            early_stop_eps=0.0,
        )
        t = (starts + ends) / 2
        directions = rays.directions.index_select(0, index)
        positions = torch.addcmul(rays.origins.index_select(0, index), t[:, None], directions)
        offsets = offsets_of(torch.bincount(index, minlength=len(rays)))
        samples = Samples(positions.clamp(0, 1), t, index, offsets, ends - starts)
        samples, _ = keep_prefix(samples, offsets.diff().clamp_max(limit), backend=self.backend)
        return samples if capacity is None else samples.with_capacity(capacity)

    def _show_grid(self) -> None:
        """Give the library the grid's bits as bool [1, x, y, z]."""
        side = self.grid.resolution
        occupied = self.grid.occupied().view(side, side, side).permute(2, 1, 0)
        self._estimator.binaries = occupied[None].contiguous()


def composite(
    optical_depth: Tensor,
    colors: Tensor,
    offsets: Tensor,
    background: Tensor,
    backend: str = "auto",  # noqa: ARG001 - the signature of what it stands in for
    library: Any = None,
) -> tuple[Tensor, Tensor]:
    """Do as `effbench.kernels.volume_rendering.composite` does, on NerfAcc's kernels."""
    nerfacc = library or importlib.import_module("nerfacc")
    rays, count = ray_of_slot(offsets, len(optical_depth)), len(offsets) - 1
    begin, end = torch.zeros_like(optical_depth), torch.ones_like(optical_depth)
    weights = nerfacc.render_weight_from_density(
        begin, end, optical_depth, ray_indices=rays, n_rays=count
    )[0]
    color = nerfacc.accumulate_along_rays(weights, colors, ray_indices=rays, n_rays=count)
    opacity = nerfacc.accumulate_along_rays(weights, None, ray_indices=rays, n_rays=count)
    return color + (1 - opacity) * background, opacity[:, 0].detach()
