"""Samplers: where along a ray a field is evaluated, in training and in rendering."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.densities import density_at
from effbench.kernels.ray_rendering import HashNetworks, Marching, render_rays
from effbench.kernels.samples import Samples
from effbench.kernels.visible_marching import march_visible
from effbench.kernels.volume_rendering import composite, visible_counts
from effbench.machine.phases import memory_phase
from effbench.method.spans import DENSITY, ENCODING, GRID, span, whole
from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling.capacity import Capacity
from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.sampling.spaces import Box, Cascades, Contracted, Space
from effbench.nerf.sampling.waves import FIRST, NOWHERE, RAYS, SLOTS, Marcher, render_waves

_RAMP = 16  # iterations in which the spacing of the grid's updates grows by one
_CACHED_RAYS = 16384  # of which the first wave's activations stay in a CPU's last-level cache


@dataclass(frozen=True)
class EncodedSamples:
    """Samples for one training step, with their encoding, and what the density was computed from
    (`RadianceField.look`), where these are known already."""

    samples: Samples
    encoded: Tensor | None = None
    known: Tensor | None = None


@dataclass(frozen=True)
class PaddedSamples:
    """A placement in buffers of fixed size. complete: bool [R], the rays that count: active, and
    all of their samples found room; marched: int64 [R + 1], offsets before compaction."""

    placed: EncodedSamples
    complete: Tensor
    marched: Tensor


class Sampler(ABC):
    """Places samples on rays. `update` runs before every training step."""

    @abstractmethod
    def place(self, rays: Rays, field: RadianceField, generator: torch.Generator) -> EncodedSamples:
        """Place training samples on `rays`, with random jitter."""

    @abstractmethod
    def render(self, rays: Rays, field: RadianceField, background: Tensor) -> Tensor:
        """Return the colour of `rays` over `background` ([3] or [R, 3]) as float32 [R, 3], no
        gradient."""

    def rays_at_once(self, device: torch.device) -> int:
        """Return how many rays are best rendered at once: on a CPU as its caches have room for, on
        other devices as many as keep the host from waiting often."""
        return _CACHED_RAYS if device.type == "cpu" else self.most_rays_at_once

    @property
    def most_rays_at_once(self) -> int:
        """How many rays a GPU's memory has room for at once. Default: a megapixel."""
        return RAYS

    def update(self, field: RadianceField, iteration: int, generator: torch.Generator) -> None:  # noqa: B027
        """Adapt to the field before step `iteration`. Default: nothing to adapt."""

    @property
    def cycle(self) -> int:
        """Steps between two updates. Default: 1."""
        return 1

    def warm_up(self, field: RadianceField, generator: torch.Generator) -> None:  # noqa: B027
        """Adapt once in every way that `update` may, whenever it is due. Default: nothing."""

    def parameters(self) -> Iterable[Tensor]:
        """Yield what the sampler itself trains, with `loss`. Default: nothing."""
        return ()

    def loss(self, placed: EncodedSamples, optical_depth: Tensor) -> Tensor | None:
        """Return the sampler's own loss (0-d), given the optical depth [N] that the field
        found at the samples it placed (detached). Default: none."""
        return None

    def at_once(self, field: RadianceField) -> HashNetworks | None:
        """Return the field if `render` does all of it in one kernel, in fp32. Default: None, it is
        rendered by its parts."""
        return None

    def even_count(self, rays: Rays) -> int | None:
        """Return how many samples rays had if nothing was known of where the field is empty.
        Default: None, samples are not left out for that."""
        return None

    def facts(self) -> dict[str, float]:
        """Return what a record should say of where samples lie. Default: nothing."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Return what rendering needs. Default: nothing."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Load what `state` returned. Default: nothing."""


@dataclass(frozen=True)
class OccupancyOptions:
    """resolution: cells per axis; steps, render_steps: steps along the cube's diagonal (cascades:
    the innermost's) in training and in rendering; threshold: least optical depth of a step in an
    occupied cell; compaction: what is dropped before training on the rest, "none",
    "transmittance" (samples behind transmittance `early_stop_eps`, the original instant-ngp) or
    "low-weight" (those and every sample whose alpha is below both `alpha_threshold` and the grid's
    mean, NerfAcc's visibility pruning); every: iterations between updates; everywhere_until:
    iteration up to which an update visits all cells; schedule: "constant", or "ramp" for updates
    after every iteration at first and after `every` in the end (the original instant-ngp)."""

    resolution: int = 128
    steps: int = 1024
    render_steps: int = 1024
    threshold: float = 0.01
    compaction: str = "transmittance"
    early_stop_eps: float = 1e-4
    alpha_threshold: float = 1e-2
    every: int = 16
    everywhere_until: int = 256
    schedule: str = "constant"

    def due(self, iteration: int) -> bool:
        """Return whether the grid is updated before an iteration, counted from 0."""
        every = self.every
        if self.schedule == "ramp":  # the original: clamp(step / 16, 1, 16)
            every = min(max(iteration // _RAMP, 1), every)
        return iteration > 0 and iteration % every == 0


class OccupancySampler(Sampler):
    """Constant steps through occupied cells, with early termination when rendering.

    times: those of the training views of a scene that moves, float32 [V]: the grid is then the
    union of what is occupied at any of them, each visit of a cell being of a random one.
    """

    times: Tensor | None = None

    def __init__(
        self, options: OccupancyOptions, space: Space, device: torch.device, backend: str
    ) -> None:
        self.options, self.space, self.backend = options, space, backend
        self.wave_slots = SLOTS
        self.waits_often = device.type == "cpu"  # nothing is to be gained by not waiting there
        self.step = math.sqrt(3) / options.steps
        self.render_step = math.sqrt(3) / options.render_steps
        self.grid = OccupancyGrid(
            options.resolution,
            space.in_field(self.step),
            device,
            backend,
            space.cascades,
            options.threshold,
        )
        # where rays begin that are active, and those that are not: on the device, for fixed steps
        self._near = torch.full((), space.aabb.near, device=device)
        self._nowhere = torch.full((), NOWHERE, device=device)

    def update(self, field: RadianceField, iteration: int, generator: torch.Generator) -> None:
        if not self.options.due(iteration):
            return
        with memory_phase("grid"):
            self._visit(field, generator, iteration <= self.options.everywhere_until)

    @property
    def cycle(self) -> int:
        return self.options.every

    def warm_up(self, field: RadianceField, generator: torch.Generator) -> None:
        for everywhere in (True, False):
            self._visit(field, generator, everywhere)

    def _visit(self, field: RadianceField, generator: torch.Generator, everywhere: bool) -> None:
        plain = self.at_once(field)

        def density(positions: Tensor) -> Tensor:
            if plain is not None:
                return density_at(positions, plain, self.backend)
            with torch.no_grad():
                encoded = field.encode_at(positions, self._any_times(positions, generator))
                return field.density(encoded)[0]

        with whole(GRID):
            self.grid.update(density, generator, everywhere)

    def _any_times(self, positions: Tensor, generator: torch.Generator) -> Tensor | None:
        """Draw a time of training for each position [N, 3]."""
        if self.times is None:
            return None
        size = (len(positions),)
        drawn = torch.randint(len(self.times), size, generator=generator, device=self.times.device)
        return self.times.index_select(0, drawn)

    def place(self, rays: Rays, field: RadianceField, generator: torch.Generator) -> EncodedSamples:
        return self.place_at(rays, self.jitter(len(rays), generator), field)

    def jitter(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw by how much of a step the samples of each of `count` rays are shifted: float32 in
        [0, 1)."""
        device = self.space.aabb.corner.device
        return torch.rand(count, generator=generator, device=device)

    def place_at(self, rays: Rays, jitter: Tensor, field: RadianceField) -> EncodedSamples:
        """Place as `place` does, shifted by what was drawn before (float32 [R])."""
        device = rays.origins.device
        if self.compacts and (plain := self.at_once(field)):
            return self._visible(rays, jitter, plain)
        near = torch.full((len(rays),), self.space.aabb.near, device=device)
        samples = self._march(rays, near, jitter, self.options.steps, self.step)
        if not self.compacts or not len(samples):
            return EncodedSamples(samples)
        return self._compacted(samples, rays, field)

    def _visible(self, rays: Rays, jitter: Tensor, field: HashNetworks) -> EncodedSamples:
        """March, and drop what is not worth training on, in one kernel."""
        options = self.options
        least = self._least_alpha() if options.compaction == "low-weight" else 0.0
        return EncodedSamples(
            *march_visible(
                *(rays.origins, rays.directions, jitter, field, self._marching(self.step)),
                *(options.steps, options.early_stop_eps, float(least)),
            )
        )

    @property
    def compacts(self) -> bool:
        return self.options.compaction != "none"

    def place_within(
        self,
        rays: Rays,
        count: Tensor,
        field: RadianceField,
        generator: torch.Generator,
        capacity: Capacity,
    ) -> PaddedSamples:
        """Place as `place` does on the first `count` (0-d) of `capacity.rays` rays, in buffers of
        fixed size, without reading anything from the device. Rays from the first on whose samples
        find no room are not complete."""
        jitter = torch.rand(len(rays), generator=generator, device=count.device)
        active = torch.arange(len(rays), device=count.device) < count
        near = torch.where(active, self._near, self._nowhere)
        room = capacity.marched if self.compacts else capacity.kept
        samples = self._march(rays, near, jitter, self.options.steps, self.step, room)
        complete = active & (samples.offsets[1:] < room)
        placed = EncodedSamples(samples)
        if self.compacts:
            placed = self._compacted(samples, rays, field, capacity.kept)
            complete &= placed.samples.offsets[1:] < capacity.kept
        return PaddedSamples(placed, complete, samples.offsets)

    def _compacted(
        self, samples: Samples, rays: Rays, field: RadianceField, capacity: int | None = None
    ) -> EncodedSamples:
        with torch.no_grad():
            with span(ENCODING):
                times = rays.times_of(samples.rays)
                encoded = field.encode_at(samples.positions, times)
            with span(DENSITY):
                density, known = field.look(encoded)
                optical_depth = density * samples.deltas
        samples, kept = self._compact(samples, optical_depth, capacity)
        known = None if known is None else known.index_select(0, kept)
        return EncodedSamples(samples, encoded.index_select(0, kept), known)

    def _compact(
        self, samples: Samples, optical_depth: Tensor, capacity: int | None = None
    ) -> tuple[Samples, Tensor]:
        """Return the samples worth training on and their indices."""
        options = self.options
        counts = visible_counts(
            optical_depth, samples.offsets, options.early_stop_eps, self.backend
        )
        if options.compaction == "transmittance":
            return keep_prefix(samples, counts, capacity, self.backend)
        end = (samples.offsets[:-1] + counts).index_select(0, samples.rays)
        visible = torch.arange(len(samples), device=end.device) < end
        opaque = -torch.expm1(-optical_depth) >= self._least_alpha()
        return keep_selected(samples, visible & opaque, capacity, self.backend)

    def _least_alpha(self) -> Tensor:
        return self.grid.mean().clamp_max(self.options.alpha_threshold)

    @torch.no_grad()
    def render(self, rays: Rays, field: RadianceField, background: Tensor) -> Tensor:
        """March in waves of growing length and drop a ray once its transmittance is spent."""
        if plain := self.at_once(field):
            return self._render_at_once(rays, plain, background)
        if not self.waits_often:
            return render_waves(rays, field, background, self._marcher())
        device = rays.origins.device
        color = torch.zeros(len(rays), 3, device=device)
        left = torch.ones(len(rays), device=device)
        alive = torch.arange(len(rays), device=device)
        near = torch.full((len(rays),), self.space.aabb.near, device=device)
        encoded_directions = field.encode_directions(rays.directions)
        wave = FIRST
        jitter = torch.full((len(rays),), 0.5, device=device)
        while len(alive):
            going_on = rays.select(alive)
            samples = self._march(going_on, near, jitter, wave, self.render_step)
            if not len(samples):
                break
            full = samples.offsets.diff() == wave
            last = samples.t[samples.offsets[1:][full] - 1]
            added, opacity = self._shade(
                samples, going_on, encoded_directions[alive], left[alive], field
            )
            color[alive] += left[alive, None] * added
            left[alive] *= 1 - opacity
            going = full & (left[alive] >= self.options.early_stop_eps)
            kept = going[full]
            near = last[kept] + self._ahead(going_on.select(going), last[kept])
            jitter = torch.zeros_like(near)
            alive = alive[going]
            wave *= 2
        behind: Tensor = left[:, None] * background
        return color + behind

    def at_once(self, field: RadianceField) -> HashNetworks | None:
        known = isinstance(self.space, Box | Contracted | Cascades)
        return field.plain() if known and self.backend == "cpu" else None

    def _render_at_once(self, rays: Rays, field: HashNetworks, background: Tensor) -> Tensor:
        return render_rays(
            *(rays.origins, rays.directions, field, self._marching(self.render_step)),
            early_stop_eps=self.options.early_stop_eps,
            background=background,
        )

    def _marching(self, step: float) -> Marching:
        """Return how the kernels that work on whole rays go through the grid."""
        grid, aabb = self.grid, self.space.aabb
        norm = self.space.norm if isinstance(self.space, Contracted) else None
        where = Marching(
            grid.bits, grid.resolution, step, aabb.near, aabb.far, grid.distances(), norm
        )
        if not isinstance(self.space, Cascades):
            return where
        longest = self.space.longest(step, grid.resolution)
        return replace(where, cascades=self.space.count, cone=self.space.cone, longest=longest)

    def _shade(
        self, samples: Samples, rays: Rays, directions: Tensor, left: Tensor, field: RadianceField
    ) -> tuple[Tensor, Tensor]:
        """Return colour and opacity of a wave; only samples that are seen get a colour."""
        times = rays.times_of(samples.rays)
        density, geometry = field.density(field.encode_at(samples.positions, times))
        optical_depth = density * samples.deltas
        counts = visible_counts(
            optical_depth, samples.offsets, self.options.early_stop_eps, self.backend
        )
        seen, kept = keep_prefix(samples, counts, backend=self.backend)
        colors = field.color(geometry[kept], directions.index_select(0, seen.rays))
        black = torch.zeros(len(left), 3, device=left.device)
        return composite(optical_depth[kept], colors, seen.offsets, black, self.backend)

    def _marcher(self) -> Marcher:
        def place(rays: Rays, near: Tensor, jitter: Tensor, limit: int, capacity: int) -> Samples:
            return self._march(rays, near, jitter, limit, self.render_step, capacity)

        near, stop = self.space.aabb.near, self.options.early_stop_eps
        return Marcher(place, self._ahead, near, stop, self.backend, self.wave_slots)

    def _march(
        self,
        rays: Rays,
        near: Tensor,
        jitter: Tensor,
        limit: int,
        step: float,
        capacity: int | None = None,
    ) -> Samples:
        grid = (self.grid.bits, self.grid.resolution)
        return self.space.march(rays, near, *grid, step, jitter, limit, self.backend, capacity)

    def _ahead(self, rays: Rays, t: Tensor) -> Tensor:
        """Return how far behind samples at t [R] the next ones would be in rendering."""
        return self.space.ahead(rays, t, self.render_step, self.grid.resolution)

    def even_count(self, rays: Rays) -> int:
        near = torch.full((len(rays),), self.space.aabb.near, device=rays.origins.device)
        everywhere = torch.full_like(self.grid.bits, 255)
        where = (near, everywhere, self.grid.resolution, self.step, torch.full_like(near, 0.5))
        return len(self.space.march(rays, *where, self.options.steps, self.backend))

    def facts(self) -> dict[str, float]:
        occupied = float(self.grid.occupied().float().mean())
        return {"grid_occupied": occupied, "grid_culled": self.grid.culled}

    def state(self) -> dict[str, Tensor]:
        return self.grid.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.grid.load_state(state)
