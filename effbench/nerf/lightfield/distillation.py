"""Training a neural light field on a teacher's views: what the student and its descendants share.

Wang et al. 2022 (*R2L*) and Cao et al. 2023 (*MobileR2L*): whole views, mean squared error; here
patches of many views or rays of all of them besides, where a budget is too short for whole ones.
"""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from effbench.kernels.backends import resolve
from effbench.method import Context, Exportable, Method, Requirement
from effbench.nerf.fields import resolve_precision
from effbench.nerf.lightfield import export
from effbench.nerf.lightfield.config import DistillConfig
from effbench.nerf.lightfield.features import PointFeatures
from effbench.nerf.lightfield.mixed_pool import MixedViewPool
from effbench.nerf.lightfield.network import NeLFNetwork, build, network_of
from effbench.nerf.lightfield.patches import Patches
from effbench.nerf.lightfield.pseudo_views import model_hash
from effbench.nerf.lightfield.rays import LightField, RayEncoder
from effbench.nerf.lightfield.teacher import CELLS, occupancy_bits, pseudo_views, view_request
from effbench.nerf.lightfield.view_pool import ViewPool
from effbench.nerf.sampling.occupancy import unpack
from effbench.scene import Intrinsics
from effbench.scene.cameras import most_common
from effbench.spans import BACKWARD, NETWORK, OPTIMISER, RAYS, span

_TIMED_STEPS = 256
_KEPT_ENCODERS = 8  # a camera's rays take 12 bytes per pixel, and views may each have their own


class Drawn(NamedTuple):
    """What a step learns from: encoded rays [V, C, h, w], colours uint8 [V, 3, H, W], and of which
    pixels [V, H, W] the errors count (None: of all)."""

    rays: Tensor
    colors: Tensor
    counted: Tensor | None = None


class NeLFMethod(Method):
    """A light field trained on pseudo views; a subclass says with which network it starts."""

    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        # The same shape, small enough to learn something in a minute, and to be rendered by a web
        # page without a GPU; each step sees patches of many views.
        "cpu": {
            "width": 96,
            "depth": 8,
            "sr_widths": (32, 16),
            "sr_blocks": 1,
            "pseudo_views": 2000,
            "real_share": 0.25,
            "views": 16,
            "patch": 8,
            "jitter": 0.0,
            "lr": 0.006,  # 0.02 collapses
            "warmup": 50,
        }
    }
    # Near to far of a capture is all the way to the horizon: what is seen is in the box.
    capture_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "cpu": {"bounds": "box"},
        "cuda": {"bounds": "box"},
    }
    exported_with_cell = True
    config: DistillConfig

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        needed = config.taught or config.bounds == "occupied"
        return {"teacher": Requirement(config.teacher)} if needed else {}

    @classmethod
    def prepare(cls, config: Any, context: Context) -> Mapping[str, float]:
        teacher = context.parents.get("teacher")
        if teacher is None or teacher.folder is None or not config.taught:
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
        self.encoder = self._encoder(most_common(context.scene.train), self.backend)
        self.iteration = 0
        self.starts: deque[float] = deque(maxlen=_TIMED_STEPS)  # of the last steps, seconds

    def begin(self) -> None:
        _ = self.pool  # loaded outside the clock

    @functools.cached_property
    def pool(self) -> ViewPool:
        """The views to train on, loaded when training begins: what is only rendered needs none."""
        views, train = pseudo_views(self.config, self.context), self.context.scene.train
        if isinstance(train.camera, Intrinsics):
            return ViewPool(views, self.context)
        return MixedViewPool(views, most_common(train), self.context)

    def start(self) -> NeLFNetwork:
        """Return the network that training starts with. Default: a fresh one."""
        return build(self.config.shape(), self.context.seed)

    def step(self, progress: float) -> Tensor:
        self.starts.append(time.perf_counter())
        self._set_rate(progress)
        with span(RAYS):
            drawn = self.draw(progress)
        with span(NETWORK):
            loss = self.loss(drawn)
        self.optimizer.zero_grad(set_to_none=True)
        with span(BACKWARD):
            loss.backward()  # type: ignore[no-untyped-call]
        with span(OPTIMISER):
            self.optimizer.step()
        self.iteration += 1
        return loss.detach()

    def draw(self, progress: float) -> Drawn:
        """Return what a step learns from: whole views, patches of views, or random rays of all
        views in the place of one view's pixels."""
        c = self.config
        real = 1.0 if progress >= 1 - c.finetune else c.real_share
        if c.rays:
            return self._rays(real)
        rays = self.pool.patch_rays(c.patch, self.encoder.scale)
        if rays:
            poses, cut = self.pool.patches(c.views, rays, self.encoder.scale, real)
        else:
            index = self.pool.draw(c.views, real)
            poses, images = self.pool.views(index)
            cut = Patches(self.pool.directions(index, self.encoder), images)
        jitter = self._jitter(len(poses), *cut.directions.shape[1:3])
        encoded = self.encoder(poses, jitter, cut.directions)
        return Drawn(encoded, cut.images.permute(0, 3, 1, 2), cut.counted)

    def _rays(self, real_share: float) -> Drawn:
        poses, pixels, colors = self.pool.pixels(self.config.rays, real_share)
        directions = self.pool.directions_at(pixels, self.encoder)
        turned = (directions[:, None, :] * poses[:, :, :3]).sum(-1)
        encoded = self.encoder.encode(poses[:, :, 3], turned, self._jitter(self.config.rays))
        return Drawn(encoded.t()[None, :, None, :], colors.t()[None, :, None, :])

    def loss(self, drawn: Drawn) -> Tensor:
        """Return the mean squared error of what was drawn."""
        colors = drawn.colors
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            predicted = self.network(drawn.rays.contiguous(memory_format=torch.channels_last))
        height, width = colors.shape[2:]
        predicted, expected = predicted[:, :, :height, :width].float(), colors.float() / 255
        if drawn.counted is None:
            return functional.mse_loss(predicted, expected)
        counted = drawn.counted[:, None]
        squares: Tensor = (predicted - expected) ** 2 * counted
        return squares.sum() / (3 * counted.sum())

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
        self._adopt(network_of(state, self.config.shape()))
        self.encoders.clear()
        self.encoder = self._encoder(most_common(self.context.scene.train), self.backend)

    def parameters(self) -> Iterable[Tensor]:
        return self.network.parameters()

    def facts(self) -> dict[str, Any]:
        train = most_common(self.context.scene.train)
        pixels = self._pixels_per_step(train)
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

    def _pixels_per_step(self, camera: Intrinsics) -> int:
        c, scale = self.config, self.encoder.scale
        side = scale * self.pool.patch_rays(c.patch, scale)
        return c.rays or c.views * (side**2 or camera.width * camera.height)

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
            if len(self.encoders) >= _KEPT_ENCODERS:
                del self.encoders[next(iter(self.encoders))]
            shape, bounds = self.config.shape(), self.config.bounds
            cells = None if self.cells is None else unpack(self.cells)
            encoder = RayEncoder(shape, self.context.scene, intrinsics, bounds, cells, backend)
            self.encoders[key] = encoder.to(self.device)
        return self.encoders[key]


class FeaturesMethod(NeLFMethod):
    """A light field with a table of features; on a CPU with fewer rays per step."""

    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "cpu": {"pseudo_views": 2000, "rays": 2048}
    }
    capture_defaults: ClassVar[dict[str, dict[str, Any]]] = {}
