"""One training step of a radiance field, shared by every method that trains one."""

from __future__ import annotations

import functools
import itertools
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.kernels.pixel_loss import PixelLoss
from effbench.machine import libraries
from effbench.method import Context, Maps, Method
from effbench.method.spans import OPTIMISER, PLACING, RAYS, span
from effbench.nerf.fields import RadianceField
from effbench.nerf.fields.averaging import WeightAverage
from effbench.nerf.fields.compiling import compile_networks
from effbench.nerf.fields.environment import Environment
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler, Sampler, nerfacc
from effbench.nerf.sampling.async_pixels import AsyncPixels
from effbench.nerf.sampling.nerfacc import NerfaccSampler
from effbench.nerf.sampling.progressive_pixels import ProgressivePixels
from effbench.nerf.sampling.ray_maps import ray_maps
from effbench.nerf.sampling.rays import Aabb, OneViewPixels, Rays, TrainingPixels, camera_rays
from effbench.nerf.sampling.spaces import SpaceOptions, build_space
from effbench.nerf.sampling.visibility import seen_cells
from effbench.nerf.training.distributions import distributions, ray_profile
from effbench.nerf.training.fixed_step import FixedStep, fixed_step
from effbench.nerf.training.learning import Batch, FullLearner, Learner
from effbench.nerf.training.options import TrainingOptions
from effbench.nerf.training.parallel_step import ParallelStep
from effbench.nerf.training.step_log import StepLog
from effbench.scene import Intrinsics

_ENVIRONMENT = "environment.texels"  # of a state


class RadianceFieldMethod(Method):
    """A field, a sampler and an optimiser: subclasses build them from their config."""

    _FIRST_RAYS = 128
    _MOST_RAYS = 1 << 18
    _COUNTED_RAYS = 1024

    def __init__(self, config: Any, context: Context) -> None:
        super().__init__(config, context)
        self.device = context.device
        self.backend, self.library = libraries.split(context.backend, self.device)
        self.generator = torch.Generator(self.device).manual_seed(context.seed)
        self.time = 0.0  # of what is rendered
        self.space = build_space(context.scene, self.device, self.build_space_options())
        self.options = self.build_options()
        self.pixels = self.build_pixels()
        self.scene_background = torch.tensor(context.scene.background, device=self.device)
        weights = torch.Generator().manual_seed(context.seed)  # on the CPU: same on every device
        self.field = self.build_field(weights).to(self.device)
        if self.options.switches.compile:
            compile_networks(self.field)
        self.sampler = self.build_sampler()
        self.learner = self.build_learner()
        if self.library == "nerfacc":
            self.learner.composite = nerfacc.composite
        sphere = self.options.background == "sphere"
        self.environment = Environment().to(self.device) if sphere else None
        self.optimizer = self.build_optimizer()
        for others in (list(self.sampler.parameters()), self._of_environment()):
            if others:
                self.optimizer.add_param_group({"params": others})
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        ema = self.options.ema
        self.averaged = WeightAverage(self.field, ema) if ema else None
        self.iteration = 0
        self.ray_count = self._FIRST_RAYS
        self.sample_count = 0
        self.figures: Mapping[str, Tensor] = {}  # of the last step, by the learner
        self.steps = StepLog()
        self.parallel = ParallelStep(self) if context.ranks > 1 else None
        # ranks agree on sizes that the host knows
        self.fixed = None if self.parallel else fixed_step(self, self.ray_count, self._MOST_RAYS)

    @classmethod
    def why_one_rank(cls, config: Any) -> str:
        if cls.build_learner is not RadianceFieldMethod.build_learner:
            return "it chooses the samples that it learns from"
        if cls.build_pixels is not RadianceFieldMethod.build_pixels:
            return "it draws pixels by what it has seen of others"
        if cls.step is not RadianceFieldMethod.step:
            return "it has a step of its own"
        return ""

    @property
    def times(self) -> Tensor | None:
        """When the training views were taken, float32 [V], for a method that takes time."""
        times = self.context.scene.train.times
        known = times is not None and self.takes_time
        return torch.from_numpy(times).to(self.device) if known else None

    def at(self, time: float) -> None:
        self.time = time

    def _camera_rays(self, pose: Tensor, camera: Intrinsics) -> Rays:
        time = self.time if self.context.scene.moves and self.takes_time else None
        return camera_rays(pose.to(self.device), camera, self.aabb, self.backend, time)

    @property
    def aabb(self) -> Aabb:
        """The coordinates of rays."""
        return self.space.aabb

    @abstractmethod
    def build_options(self) -> TrainingOptions:
        """Return the options of the training step."""

    def build_space_options(self) -> SpaceOptions:
        """Return what the parameters `space`, `norm`, `spacing` and `cone` of a config say, as far
        as it has them."""
        return SpaceOptions.of(self.config)

    @abstractmethod
    def build_field(self, generator: torch.Generator) -> RadianceField:
        """Return the field to train, on the CPU, its weights drawn from `generator`."""

    @abstractmethod
    def build_sampler(self) -> Sampler:
        """Return the sampler, its state on `self.device`."""

    @abstractmethod
    def build_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser of `self.field`'s parameters."""

    def build_pixels(self) -> TrainingPixels:
        """Return what draws the pixels of a step. Default: uniformly, of all images or of one."""
        one = self.options.images == "one"
        kind = OneViewPixels if one else TrainingPixels
        where = (self.context.scene.train, self.aabb, self.device, self.backend)
        switches = self.options.switches
        if switches.loading == "async":
            if one:
                raise ConfigError("loading=async draws over all images: use images=all")
            return AsyncPixels(*where, functools.partial(_step_seed, self.context.seed))
        if switches.image_schedule == "progressive":
            return ProgressivePixels(kind, *where)
        return kind(*where)

    def build_learner(self) -> Learner:
        """Return what differentiates a step. Default: through every sample."""
        switches = self.options.switches
        parts = switches.shading == "parts"
        return FullLearner(self.backend, checkpointing=switches.checkpointing, parts=parts)

    def occupancy_sampler(self) -> OccupancySampler:
        """Return the sampler that the usual parameters of a config describe: `grid_resolution`,
        `grid_every`, `grid_everywhere_until`, `grid_schedule`, `grid_unseen`, `march_steps`,
        `render_steps`, `compaction`, `early_stop_eps`, `alpha_threshold` and `grid_threshold`.
        Cells that no camera sees are culled where `grid_unseen` says so, by default of captures."""
        c = self.config
        options = OccupancyOptions(
            resolution=c.grid_resolution,
            steps=c.march_steps,
            render_steps=c.render_steps,
            threshold=c.grid_threshold,
            compaction=c.compaction,
            early_stop_eps=c.early_stop_eps,
            alpha_threshold=c.alpha_threshold,
            every=c.grid_every,
            everywhere_until=c.grid_everywhere_until,
            schedule=c.grid_schedule,
        )
        kind = NerfaccSampler if self.library == "nerfacc" else OccupancySampler
        sampler = kind(options, self.space, self.device, self.backend)
        sampler.times = self.times
        scene = self.context.scene
        if c.grid_unseen == "culled" or (c.grid_unseen == "auto" and scene.inner is not None):
            sampler.grid.cull(seen_cells(sampler.grid, self.space, scene.train))
        return sampler

    @property
    def cycle(self) -> int:
        return self.sampler.cycle

    def warm_up(self) -> None:
        self.sampler.warm_up(self.field, self.generator)

    def step(self, progress: float) -> Tensor:
        self._set_rate(progress)
        self.pixels.advance(progress)
        self.field.advance(progress)
        self.sampler.update(self.field, self.iteration, self.generator)
        if not self.fixed:  # a recorded step owns its generator
            self.generator.manual_seed(_step_seed(self.context.seed, self.iteration))
        if self.parallel:
            loss = self._step_of_ranks(self.parallel)
        else:
            loss = self._step_in_fixed(self.fixed) if self.fixed else self._step_exactly()
        if self.averaged:
            self.averaged.field.advance(progress)
            self.averaged.update(self.field)
        self.iteration += 1
        return loss

    def _step_exactly(self) -> Tensor:
        """Do a step with tensors as large as its samples, a number the host has to wait for."""
        with span(RAYS):
            drawn = self.pixels.of_step(self.ray_count, self.generator, self.iteration)
        batch = self._batch(*drawn, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        outcome = self.learner.backward(self.field, self.sampler, batch, self.loss)
        with span(OPTIMISER):
            self.optimizer.step()  # leaves alone what has no gradient: no ray met an occupied cell
        self.figures = outcome.figures
        self.pixels.observe(outcome.color, batch.target)
        self.pixels.observed()
        rays, samples = len(batch.rays), len(batch.placed.samples)
        self.steps.add(self.iteration + 1, rays, samples, outcome.loss, outcome.figures)
        self._steer_rays(rays, samples)
        return outcome.loss

    def _step_in_fixed(self, fixed: FixedStep) -> Tensor:
        """Do a step with buffers of fixed size, recorded where that works."""
        found = fixed.step()
        values = self.steps.add_values(self.iteration + 1, fixed.names, found)
        reported = dict(zip(fixed.names, values, strict=True))
        loss: Tensor = reported.pop("loss")
        self.figures = {k: v for k, v in reported.items() if k not in ("rays", "samples")}
        return loss

    def _step_of_ranks(self, parallel: ParallelStep) -> Tensor:
        """Do a step with this rank's share of the batch."""
        done = parallel.step(self.ray_count)
        self.steps.add(self.iteration + 1, self.ray_count, done.samples, done.loss, {})
        self._steer_rays(self.ray_count, done.samples)
        return done.loss

    @property
    def loss(self) -> PixelLoss:
        """The loss of pixels."""
        return PixelLoss(self.options.loss)

    @torch.no_grad()
    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        field = self._evaluated()
        rays = self._camera_rays(pose, intrinsics)
        parts = [
            self.sampler.render(chunk, field, self._behind(chunk)) for chunk in self._chunks(rays)
        ]
        return torch.cat(parts).clamp(0, 1).view(intrinsics.height, intrinsics.width, 3)

    def _chunks(self, rays: Rays) -> Iterator[Rays]:
        """Yield the rays that are rendered at once."""
        size = self.sampler.rays_at_once(self.device)
        for start in range(0, len(rays), size):
            yield rays.select(slice(start, start + size))

    def _behind(self, rays: Rays) -> Tensor:
        """Return what is rendered behind everything, [3] or [R, 3]."""
        return self.environment(rays.directions) if self.environment else self.scene_background

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps:
        field = self._evaluated()
        rays = self._camera_rays(pose, intrinsics)
        parts = [ray_maps(self.sampler, each, field, self.space) for each in self._chunks(rays)]
        size = (intrinsics.height, intrinsics.width)
        return Maps(*(torch.cat(part).view(size) for part in zip(*parts, strict=True)))

    def state(self) -> dict[str, Tensor]:
        named = self._evaluated().shipped()
        weights = {f"field.{name}": tensor for name, tensor in named.items()}
        if self.environment:
            weights[_ENVIRONMENT] = self.environment.texels.detach()
        return weights | self.sampler.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        prefix = "field."
        weights = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self.field.load_shipped(weights)
        self.averaged = None
        if self.environment:
            with torch.no_grad():
                self.environment.texels.copy_(state[_ENVIRONMENT])
        self.sampler.load_state(state)

    def parameters(self) -> Iterable[Tensor]:
        others = self.sampler.parameters(), self._of_environment()
        return itertools.chain(self.field.parameters(), *others)

    def _of_environment(self) -> list[Tensor]:
        return [self.environment.texels] if self.environment else []

    def diagnostics(self) -> dict[str, float]:
        self._catch_up()
        counts = {"rays": float(self.ray_count), "samples": float(self.sample_count)}
        return counts | {name: float(figure) for name, figure in self.figures.items()}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return `steps`, one row per step since the last call, `distributions` of a fresh batch,
        and `ray`, the samples of one fixed ray (docs/records.md has the columns)."""
        self._catch_up()
        # A generator of its own, the same at every call: training goes on as if nothing was drawn.
        generator = torch.Generator(self.device).manual_seed(self.context.seed + 1)
        with torch.no_grad():
            fixed = self._batch(*self._fixed_ray, generator)
            fresh = self._batch(*self.pixels.sample(self.ray_count, generator), generator)
        found = {
            "distributions": distributions(self.field, fresh, self.ray_losses, self.backend),
            "ray": ray_profile(self.field, fixed, self.loss, self.backend),
        }
        at = {"iteration": self.iteration}
        placed = {name: [{**at, **row} for row in rows] for name, rows in found.items()}
        return {"steps": self.steps.take(), **placed}

    def facts(self) -> dict[str, Any]:
        self._catch_up()
        step = self.fixed.facts() if self.fixed else {"step": "exact"}
        return {
            "backend": " + ".join(name for name in (self.library, self.backend) if name),
            "precision": self.field.precision,
            **self.field.facts(),
            "space": self.space.name,
            **self.sampler.facts(),
            **self.learner.facts(),
            "rendering": "one kernel, fp32" if self.sampler.at_once(self.field) else "by parts",
            "render_rays_per_chunk": self.sampler.rays_at_once(self.device),
            "rays_last_step": self.ray_count,
            "samples_last_step": self.sample_count,
            **self._skipped(),
            **step,
            **(self.parallel.facts() if self.parallel else {}),
        }

    @torch.no_grad()
    def _skipped(self) -> dict[str, float]:
        """Return the samples per ray that are trained on now, and the share of those that an even
        march through everything would have placed which are left out: of random pixels."""
        generator = torch.Generator(self.device).manual_seed(self.context.seed + 1)
        rays, _ = self.pixels.sample(self._COUNTED_RAYS, generator)
        placed = len(self.sampler.place(rays, self.field, generator).samples)
        found = {"samples_per_ray": placed / len(rays)}
        if even := self.sampler.even_count(rays):
            found["samples_skipped"] = 1 - placed / even
        return found

    def _evaluated(self) -> RadianceField:
        """Return the field that is rendered and shipped: the average, where one is kept."""
        return self.averaged.field if self.averaged else self.field

    def set_generator(self, generator: torch.Generator) -> None:
        """Draw random numbers from `generator` from now on."""
        self.generator = generator
        self.learner.set_generator(generator)

    def _catch_up(self) -> None:
        """Ask the device for the counts that a step in fixed buffers keeps there."""
        if self.fixed:
            self.ray_count, self.sample_count = self.fixed.counts()

    @functools.cached_property
    def _fixed_ray(self) -> tuple[Rays, Tensor]:
        """The ray through the middle of the first training view, and its pixel [1, 3 or 4]."""
        views = self.context.scene.train
        camera = views.cameras[0]
        x, y = camera.width // 2, camera.height // 2
        first = None if views.times is None else float(views.times[0])
        pose = torch.from_numpy(views.poses[0]).to(self.device)
        rays = camera_rays(pose, camera, self.aabb, self.backend, first)
        pixel = torch.from_numpy(views.image(0)[y, x]).to(self.device).float() / 255
        index = y * camera.width + x
        return rays.select(slice(index, index + 1)), pixel[None]

    def _batch(self, rays: Rays, pixels: Tensor, generator: torch.Generator) -> Batch:
        target, background = self.matched(rays, pixels, generator)
        with span(PLACING):
            placed = self.sampler.place(rays, self.field, generator)
        return Batch(rays, placed, target, background)

    def ray_losses(self, color: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of each ray's channels [R], of colours and targets [R, 3]."""
        return self.loss(color, target, "none").mean(1)

    def matched(
        self, rays: Rays, pixels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the colours to match and the background behind each ray, both [R, 3]."""
        opaque, known = self.context.scene.opaque, self.scene_background.expand(len(pixels), 3)
        if self.options.background == "random" and (self.pixels.has_alpha or opaque):
            background = torch.rand(len(pixels), 3, generator=generator, device=self.device)
        elif self.options.background == "none":
            background = torch.zeros_like(known)
        else:
            background = known
        colors = pixels[:, :3]
        if self.pixels.has_alpha:
            colors = torch.lerp(background, colors, pixels[:, 3:])
        return colors, self.environment(rays.directions) if self.environment else background

    def _set_rate(self, progress: float) -> None:
        factor = min(1.0, (self.iteration + 1) / max(self.options.warmup, 1))
        if self.options.decay == "exponential":
            factor *= 0.1 ** max(0.0, (progress - 0.3) / 0.7)
        shared: dict[int, Tensor] = {}  # rates on the device, each to be set once
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            if not isinstance(group["lr"], Tensor):
                group["lr"] = rate * factor
            elif id(group["lr"]) not in shared:
                shared[id(group["lr"])] = group["lr"].fill_(rate * factor)

    def _steer_rays(self, rays: int, samples: int) -> None:
        """Steer the ray count to B samples per step: n ← n·B / measured on n rays, at most
        doubled."""
        self.sample_count = samples
        factor = min(2.0, max(0.5, self.options.samples / max(samples, 1)))
        self.ray_count = int(min(max(rays * factor, 64), self._MOST_RAYS))


def _step_seed(seed: int, step: int) -> int:
    """Return what a step draws from: of the seed and its number alone, so that methods of one seed
    draw the same pixels in the same step, whatever else they drew before."""
    return seed + 1_000_003 * (step + 1)
