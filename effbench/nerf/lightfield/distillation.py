"""Training a neural light field on a teacher's views: what the student and its descendants share.

Wang et al. 2022 (*R2L*) and Cao et al. 2023 (*MobileR2L*): whole views, mean squared error.
"""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from effbench.errors import ConfigError
from effbench.kernels.backends import resolve
from effbench.kernels.hash_layout import HashLayout
from effbench.machine import devices
from effbench.method import Context, Exportable, Method, Requirement
from effbench.nerf.fields import resolve_precision
from effbench.nerf.lightfield import export
from effbench.nerf.lightfield.features import PointFeatures
from effbench.nerf.lightfield.network import NeLFNetwork, NeLFShape, build, shape_of
from effbench.nerf.lightfield.pseudo_views import PseudoViews, ViewRequest, model_hash, views_of
from effbench.nerf.lightfield.rays import LightField, RayEncoder
from effbench.nerf.sampling.occupancy import unpack
from effbench.scene import Intrinsics, Views

CELLS = "occupancy.bits"  # of a teacher's state, and of a student's
_UNPLANNED_VIEWS = 8  # outside of the harness, where no budget says how many are worth it
_TIMED_STEPS = 256
_TIMED_RENDERS = 24


@dataclass(frozen=True)
class DistillConfig:
    """A light field and its training; on a CPU with the smaller defaults of `NeLFMethod`."""

    teacher: str = "instant-ngp"  # method that is distilled
    points: int = 8  # samples per ray
    frequencies: int = 6  # of the position encoding
    bounds: Literal["scene", "box", "occupied"] = "scene"  # of a ray's samples
    feature_levels: int = 0  # of a hash table of learned features of the samples; 0 for none
    feature_log2_table: int = 14  # log2 of the entries of a hashed level
    feature_base: int = 24  # lattice resolution of the first level
    feature_finest: int = 128  # and of the last
    width: int = 256  # channels of the residual stream
    depth: int = 60  # layers: first, last, and two per residual block
    sr_widths: tuple[int, ...] = (64, 64, 16)  # channels of the stages that double the image
    sr_blocks: int = 2  # residual blocks in each of them
    pseudo_views: int = 10000  # of the teacher, at most
    pseudo_share: float = 0.5  # rendering them takes at most this part of the budget
    real_share: float = 0.0  # part of the views of a step that are training images
    finetune: float = 0.0  # last part of the budget, spent on training images alone
    views: int = 2  # per step, whole
    rays: int = 0  # per step in the place of views: random ones of all, without stages only
    jitter: float = 1.0  # of the samples inside their strata, 0 for none
    lr: float = 0.0005
    warmup: int = 200  # iterations of linear growth of the learning rate
    decay: Literal["cosine", "none"] = "cosine"  # of the learning rate
    weight_decay: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # in training

    def __post_init__(self) -> None:
        self.shape()  # ValueError for one that cannot be
        if not (0 <= self.real_share <= 1 and 0 <= self.finetune <= 1):
            raise ConfigError("real_share and finetune are parts: write 0 to 1")
        if self.rays and self.sr_widths:
            raise ConfigError("stages of super-resolution need whole views: write rays=0")
        if min(self.views, self.pseudo_views) < 1 or self.pseudo_share <= 0:
            raise ConfigError("views, pseudo_views and pseudo_share must be positive")

    def shape(self) -> NeLFShape:
        """Return the shape of the unpruned network."""
        table = None
        if self.feature_levels:
            levels, log2 = self.feature_levels, self.feature_log2_table
            table = HashLayout(levels, log2, self.feature_base, self.feature_finest)
        return NeLFShape.regular(
            points=self.points,
            frequencies=self.frequencies,
            width=self.width,
            depth=self.depth,
            sr_widths=self.sr_widths,
            sr_blocks=self.sr_blocks,
            table=table,
        )


class NeLFMethod(Method):
    """A light field trained on pseudo views; a subclass says with which network it starts."""

    device_defaults = {  # noqa: RUF012
        # What learns most in a minute: many steps of few rays that begin near what they see, with
        # a table that remembers what is where.
        "cpu": {
            "points": 16,
            "frequencies": 0,
            "bounds": "occupied",
            "feature_levels": 3,
            "width": 64,
            "depth": 6,
            "sr_widths": (),
            "pseudo_views": 2000,
            "views": 1,
            "rays": 2048,
            "real_share": 0.5,
            "jitter": 0.0,
            "lr": 0.01,
            "warmup": 50,
        }
    }
    exported_with_cell = True
    config: DistillConfig

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        return {"teacher": Requirement(config.teacher)}

    @classmethod
    def prepare(cls, config: Any, context: Context) -> Mapping[str, float]:
        teacher = context.parents["teacher"]
        if teacher.folder is None:
            return {}
        key = view_request(config, context).key(model_hash(teacher))
        return {f"pseudo views {key}": pseudo_views(config, context).render_s}

    def __init__(self, config: Any, context: Context) -> None:
        super().__init__(config, context)
        self.device = context.device
        self.precision = resolve_precision(config.precision, self.device)
        self.backend = resolve(context.backend, self.device)
        self.random = torch.Generator(self.device).manual_seed(context.seed)
        self.cells = occupancy_bits(context) if config.bounds == "occupied" else None
        self._adopt(self.start())
        self.encoders: dict[tuple[Intrinsics, str], RayEncoder] = {}
        self.encoder = self._encoder(context.scene.train.intrinsics, self.backend)
        self.iteration = 0
        self.starts: deque[float] = deque(maxlen=_TIMED_STEPS)  # of the last steps, seconds

    @functools.cached_property
    def pool(self) -> ViewPool:
        """The views to train on, loaded when training begins: what is only rendered needs none."""
        return ViewPool(pseudo_views(self.config, self.context), self.context)

    def start(self) -> NeLFNetwork:
        """Return the network that training starts with. Default: a fresh one."""
        return build(self.config.shape(), self.context.seed)

    def step(self, progress: float) -> Tensor:
        self.starts.append(time.perf_counter())
        self._set_rate(progress)
        loss = self.loss(*self.draw(progress))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.iteration += 1
        return loss.detach()

    def draw(self, progress: float) -> tuple[Tensor, Tensor]:
        """Return what a step learns from: encoded rays [V, C, h, w] and colours [V, 3, H, W], of
        whole views, or of random rays of all views in the place of one view's pixels."""
        c = self.config
        real = 1.0 if progress >= 1 - c.finetune else c.real_share
        if not c.rays:
            poses, images = self.pool.views(self.pool.draw(c.views, real))
            rays = self.encoder(poses, self._jitter(len(poses), *self.encoder.directions.shape[:2]))
            return rays, images.permute(0, 3, 1, 2)
        poses, pixels, colors = self.pool.pixels(c.rays, real)
        directions = self.encoder.directions.flatten(0, 1)[pixels]
        turned = (directions[:, None, :] * poses[:, :, :3]).sum(-1)
        encoded = self.encoder.encode(poses[:, :, 3], turned, self._jitter(c.rays))
        return encoded.t()[None, :, None, :], colors.t()[None, :, None, :]

    def loss(self, rays: Tensor, colors: Tensor) -> Tensor:
        """Return the mean squared error of encoded rays and colours, as `draw` returns them."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            predicted = self.network(rays.contiguous(memory_format=torch.channels_last))
        height, width = colors.shape[2:]
        return functional.mse_loss(predicted[:, :, :height, :width].float(), colors.float() / 255)

    @torch.no_grad()
    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        self.network.eval()
        field = LightField(self._encoder(intrinsics, self.backend), self.network)
        image: Tensor = field(pose[None].to(self.device))[0]
        self.network.train()
        return image.contiguous()

    def light_field(self, intrinsics: Intrinsics) -> LightField:
        """Return the module from poses [V, 3, 4] to images [V, H, W, 3] of a camera, of operations
        that can be exported."""
        return LightField(self._encoder(intrinsics, "reference"), self.network)

    def exportable(self, intrinsics: Intrinsics) -> Exportable:
        return export.exportable(self.light_field(intrinsics))

    def state(self) -> dict[str, Tensor]:
        cells = {} if self.cells is None else {CELLS: self.cells}
        return {**self.network.state_dict(), **cells}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.cells = state.get(CELLS)
        self._adopt(network_of(state, self.config))
        self.encoders.clear()
        self.encoder = self._encoder(self.context.scene.train.intrinsics, self.backend)

    def parameters(self) -> Iterable[Tensor]:
        return self.network.parameters()

    def facts(self) -> dict[str, Any]:
        train = self.context.scene.train.intrinsics
        pixels = self.config.rays or self.config.views * train.width * train.height
        gaps = np.diff(self.starts)
        return {
            "precision": self.precision,
            "pseudo_views": self.pool.pseudo,
            "pseudo_views_s": self.pool.render_s,
            "pseudo_view_size": [train.width, train.height],
            "pixels_per_step": pixels,
            # the harness waits for the device after every step: a start follows the end before it
            "pixels_per_s": pixels / statistics.median(gaps) if len(gaps) else None,
        }

    def _adopt(self, network: NeLFNetwork) -> None:
        """Train `network` from here on, with an optimiser of its own."""
        self.network: NeLFNetwork = network.to(self.device).train()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if isinstance(network.features, PointFeatures):
            network.features.backend = self.backend
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config.lr,
            betas=(0.9, 0.99),
            weight_decay=self.config.weight_decay,
            fused=True,
        )

    def _set_rate(self, progress: float) -> None:
        factor = min(1.0, (self.iteration + 1) / max(self.config.warmup, 1))
        if self.config.decay == "cosine":
            factor *= 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * factor

    def _jitter(self, *size: int) -> Tensor | None:
        if not self.config.jitter:
            return None
        shape = (*size, self.config.points)
        random = torch.rand(shape, generator=self.random, device=self.device)
        return (random - 0.5) * self.config.jitter

    def _encoder(self, intrinsics: Intrinsics, backend: str) -> RayEncoder:
        key = (intrinsics, backend)
        if key not in self.encoders:
            shape, bounds = self.config.shape(), self.config.bounds
            cells = None if self.cells is None else unpack(self.cells)
            encoder = RayEncoder(shape, self.context.scene, intrinsics, bounds, cells, backend)
            self.encoders[key] = encoder.to(self.device)
        return self.encoders[key]


class ViewPool:
    """Pseudo views, then real ones, on the device; drawn without replacement until all were seen.

    poses: float32 [V, 3, 4]; images: uint8 [V, H, W, 3]; pseudo: how many are pseudo views;
    render_s: seconds that those took.
    """

    def __init__(self, views: PseudoViews, context: Context) -> None:
        scene, device = context.scene, context.device
        self.pseudo, self.render_s = len(views), views.render_s
        images = torch.cat([views.images, real_images(scene.train, scene.background)])
        self.images = images.to(device)
        self.poses = torch.cat([views.poses, torch.from_numpy(scene.train.poses)]).to(device)
        self._pixels = self.images.flatten(1, 2)
        self._generator = torch.Generator().manual_seed(context.seed)
        self._left: dict[bool, list[int]] = {True: [], False: []}

    def draw(self, count: int, real_share: float) -> list[int]:
        """Return the indices of `count` views, each a real one with probability `real_share`."""
        real = torch.rand(count, generator=self._generator) < real_share
        return [self._next(bool(each)) for each in real]

    def views(self, index: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the poses [V, 3, 4] and images uint8 [V, H, W, 3] of views."""
        at = torch.tensor(index, device=self.poses.device)
        return self.poses[at], self.images[at]

    def pixels(self, count: int, real_share: float) -> tuple[Tensor, Tensor, Tensor]:
        """Draw pixels of all views, each of a real one with probability `real_share`.

        Returns the poses [R, 3, 4] of their cameras, their places in an image, row by row (int64
        [R]), and their colours (uint8 [R, 3]).
        """
        random = torch.rand(3, count, generator=self._generator)
        real = random[0] < real_share
        number = torch.where(real, len(self.images) - self.pseudo, self.pseudo)
        view = (random[1] * number).long() + torch.where(real, self.pseudo, 0)
        pixel = (random[2] * self._pixels.shape[1]).long()
        view, pixel = view.to(self.poses.device), pixel.to(self.poses.device)
        return self.poses[view], pixel, self._pixels[view, pixel]

    def _next(self, real: bool) -> int:
        if not self._left[real]:
            count = len(self.images) - self.pseudo if real else self.pseudo
            order = torch.randperm(count, generator=self._generator)
            self._left[real] = (order + (self.pseudo if real else 0)).tolist()
        return self._left[real].pop()


def real_images(views: Views, background: tuple[float, float, float]) -> Tensor:
    """Return the images of a split over the background, uint8 [V, H, W, 3]."""
    images = [views.composite(view, background) for view in range(len(views))]
    return torch.from_numpy((np.stack(images) * 255 + 0.5).astype(np.uint8))


def network_of(state: Mapping[str, Tensor], config: DistillConfig) -> NeLFNetwork:
    """Return the network, pruned or not, that a method shipped as `state`."""
    network = NeLFNetwork(shape_of(state, config.shape()))
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    return network


def occupancy_bits(context: Context) -> Tensor:
    """Return the bits of the teacher's occupancy grid, uint8 [G³ / 8], which a child shares.

    Raises ConfigError for a teacher without one.
    """
    teacher = context.parents["teacher"]
    if CELLS not in teacher.state:
        raise ConfigError(
            f"teacher={teacher.method} has no occupancy grid, which bounds=occupied needs: write "
            "bounds=box"
        )
    return teacher.state[CELLS].cpu()


def view_request(config: DistillConfig, context: Context) -> ViewRequest:
    """Return how many views the budget is worth: `pseudo_share` of its seconds, or as many as its
    iterations will see."""
    budget = context.budget
    count, seconds = _UNPLANNED_VIEWS, None
    if budget is not None and budget.seconds is not None:
        count, seconds = config.pseudo_views, config.pseudo_share * budget.seconds
    elif budget is not None and budget.iterations is not None:
        count = min(config.pseudo_views, config.views * budget.iterations)
    return ViewRequest(count, seconds, context.scene.train.intrinsics)


def pseudo_views(config: DistillConfig, context: Context) -> PseudoViews:
    """Return the teacher's views, rendered if nobody has done so before."""
    teacher = context.parents["teacher"]
    request = view_request(config, context)
    # a seed of its own: the teacher is the same, whichever of its descendants asks
    own = replace(context, seed=0)
    return views_of(teacher, context.scene, request, lambda: teacher.restore(own).render)


def latency_ms(networks: Sequence[NeLFNetwork], method: NeLFMethod) -> list[float]:
    """Return the median milliseconds per view of networks, in turns: load meets all of them."""
    wait = devices.synchronizer(method.device)
    pose = torch.from_numpy(method.context.scene.test.poses[:1]).to(method.device)
    fields = [LightField(method.encoder, network).eval() for network in networks]
    times: list[list[float]] = [[] for _ in fields]
    for _ in range(_TIMED_RENDERS):
        for field, own in zip(fields, times, strict=True):
            with torch.inference_mode():
                wait()
                began = time.perf_counter()
                field(pose)
                wait()
            own.append(time.perf_counter() - began)
    for network in networks:
        network.train()
    return [statistics.median(own[_TIMED_RENDERS // 4 :]) * 1e3 for own in times]
