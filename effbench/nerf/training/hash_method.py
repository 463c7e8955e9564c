"""What Instant-NGP and its rivals share: hash field, occupancy grid, configuration, optimiser."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.mlp import WIDEST
from effbench.kernels.rays import SH_WIDTH
from effbench.method import Exportable, Method
from effbench.nerf.fields import HashField, NetworkField, resolve_precision
from effbench.nerf.fields.tcnn import TcnnField
from effbench.nerf.sampling import OccupancySampler, Sampler
from effbench.nerf.sampling.ray_renderer import HashEncoder, RayRenderer
from effbench.nerf.sampling.spaces import Box
from effbench.nerf.training.method import RadianceFieldMethod
from effbench.nerf.training.options import TrainingOptions
from effbench.nerf.training.sparse_adam import SparseAdam
from effbench.nerf.training.switches import Switches
from effbench.scene import Intrinsics


@dataclass(frozen=True)
class HashConfig:
    """Defaults of the paper; on a CPU the smaller ones of `HashMethod.device_defaults`."""

    former_names = {"early_stop": "early_stop_eps"}  # noqa: RUF012

    recipe: Literal["tuned", "published"] = "tuned"  # published: as hard sample mining was tested
    space: Literal["auto", "box", "contracted", "cascades"] = "auto"  # auto: contracted captures
    norm: Literal["linf", "l2"] = "linf"  # of the contraction
    cone: float = 0.0078125  # growth of a step with the distance in cascades, 1/128 of torch-ngp
    levels: int = 16  # hash levels, L
    log2_table: int = 19  # log2 of the entries of a hashed level, T
    base_resolution: int = 16  # lattice of the coarsest level
    finest_resolution: int = 2048  # lattice of the finest level
    hidden: int = 64  # neurons per hidden layer
    geometry: int = 15  # features from the density to the colour network
    samples: int = 262144  # samples per step, B, which sets the number of rays
    march_steps: int = 1024  # steps along the cube's diagonal in training
    render_steps: int = 1024  # and in rendering
    grid_resolution: int = 128  # occupancy cells per axis
    grid_threshold: float = 0.01  # optical depth of a step from which a cell is occupied
    grid_every: int = 16  # iterations between updates of the grid
    grid_everywhere_until: int = 256  # iterations during which updates visit all cells
    grid_schedule: Literal["constant", "ramp"] = "constant"  # ramp: updates are frequent at first
    grid_unseen: Literal["auto", "culled", "kept"] = "auto"  # cells no camera sees; see docs
    compaction: Literal["transmittance", "low-weight", "none"] = "transmittance"  # before training
    early_stop_eps: float = 1e-4  # transmittance at which a ray ends
    alpha_threshold: float = 1e-2  # alpha below which low-weight drops a sample
    lr: float = 0.01
    weight_decay: float = 1e-6  # L2, networks only
    sparse_adam: bool = False  # leave table entries without a gradient alone, as the original
    decay: Literal["exponential", "none"] = "exponential"
    loss: Literal["huber", "mse"] = "huber"
    background: Literal["random", "scene", "none", "sphere"] = (
        "random"  # in training; sphere: learnt
    )
    images: Literal["all", "one"] = "all"  # training images that the pixels of a step are from
    ema: float = 0.0  # decay of the weight average that is evaluated; 0 for none
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # of the networks
    buffers: Literal["auto", "fixed", "exact"] = "auto"  # of a step; auto: fixed on CUDA

    def __post_init__(self) -> None:
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema is {self.ema:g}: write a number in [0, 1), 0 for none")


_DEVICES = ("cpu", "cuda")
_PUBLISHED_ON: dict[str, dict[str, Any]] = {"cuda": {"samples": 1 << 20}}
_PUBLISHED_CAPTURES: dict[str, Any] = {"space": "cascades", "cone": 1 / 256}


class HashMethod(RadianceFieldMethod):
    """Trains a `HashField` behind an occupancy grid.

    published: what recipe=published has for defaults in the place of those below: how hard sample
    mining and its baseline were trained (Korhonen et al. 2024, on torch-ngp, Tang 2022).
    """

    published: ClassVar[dict[str, Any]] = {
        "decay": "none",
        "loss": "mse",
        "ema": 0.95,
        "images": "one",
        "grid_unseen": "culled",
    }

    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        # Small tables are faster to read and to update; `make bench` has the measurements.
        "cpu": {
            "levels": 8,
            "log2_table": 18,
            "finest_resolution": 512,
            "hidden": 32,
            "samples": 24576,
            "early_stop_eps": 1e-3,
            "march_steps": 256,
            "render_steps": 512,
            "grid_resolution": 64,
            "grid_everywhere_until": 96,
            "lr": 0.03,
        }
    }
    capture_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        # Steps are five times those of a GPU: so is what one has to hide to be worth a sample.
        "cpu": {"compaction": "low-weight", "alpha_threshold": 0.03, "grid_threshold": 0.05}
    }
    config: HashConfig

    @classmethod
    def specialised(cls, params: Mapping[str, Any]) -> type[Method]:
        return as_published(cls) if params.get("recipe") == "published" else cls

    def build_options(self) -> TrainingOptions:
        c = self.config
        return TrainingOptions(
            samples=c.samples,
            loss=c.loss,
            background=c.background,
            decay=c.decay,
            ema=c.ema,
            images=c.images,
            buffers=c.buffers,
            switches=Switches.of(c),
        )

    def build_field(self, generator: torch.Generator) -> NetworkField:
        c = self.config
        layout = HashLayout(c.levels, c.log2_table, c.base_resolution, c.finest_resolution)
        precision = self.network_precision()
        field = HashField(layout, c.hidden, c.geometry, precision, self.backend, generator)
        return TcnnField(field) if self.library == "tcnn" else field

    def network_precision(self) -> str:
        """Return what the networks compute in. precision=auto: fp32 where the CPU's kernels take
        them, which need no bf16 units to be fast, and whose gradients are those of fp32."""
        c = self.config
        fused = (
            self.backend == "cpu" and max(c.hidden, 2 * c.levels, SH_WIDTH + c.geometry) <= WIDEST
        )
        if c.precision == "auto" and fused:
            return "fp32"
        return resolve_precision(c.precision, self.device)

    def build_sampler(self) -> Sampler:
        return self.occupancy_sampler()

    def exportable(self, intrinsics: Intrinsics) -> Exportable | None:
        field = self._evaluated()
        if not (isinstance(self.sampler, OccupancySampler) and isinstance(field, HashField)):
            return None
        if self.environment or not isinstance(self.space, Box):
            return None
        encoder = HashEncoder(field.table, field.layout)
        return Exportable(
            RayRenderer(encoder, field, self.sampler, self.scene_background), takes="rays"
        )

    def build_optimizer(self) -> torch.optim.Optimizer:
        table = self.field.table
        networks = [p for p in self.field.parameters() if p is not table]
        groups: list[dict[str, Any]] = [
            {"params": [table], "weight_decay": 0.0},
            {"params": networks, "weight_decay": self.config.weight_decay},
        ]
        how: dict[str, Any] = {"lr": self.config.lr, "betas": (0.9, 0.99), "eps": 1e-15}
        if self.config.sparse_adam:
            groups[0]["sparse"] = True
            return SparseAdam(groups, self.backend, fused=True, **how)
        return torch.optim.Adam(groups, fused=True, **how)


@functools.cache
def as_published(cls: type[HashMethod]) -> type[HashMethod]:
    """Return a method with the defaults of recipe=published; a device keeps those of its own that
    the recipe says nothing of, such as a CPU's smaller tables."""
    own = {
        kind: {**cls.device_defaults.get(kind, {}), **cls.published, **_PUBLISHED_ON.get(kind, {})}
        for kind in _DEVICES
    }
    captures = dict.fromkeys(_DEVICES, _PUBLISHED_CAPTURES)
    members = {"device_defaults": own, "capture_defaults": captures, "__module__": cls.__module__}
    return type(cls.__name__, (cls,), members)
