"""Instant-NGP behind a warp, for scenes that move (after torch-ngp's mode for D-NeRF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.warp import Warp, WarpedHashField, WarpShape
from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.sampling.rays import TrainingPixels
from effbench.nerf.training.hash_method import HashConfig, HashMethod
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.learning import Learner


@dataclass(frozen=True)
class NGPTimeConfig(MiningConfig, ErrorMapOptions, HashConfig):
    warp_hidden: int = 64  # neurons of each of its layers
    warp_layers: int = 4
    warp_octaves: int = 6  # of the frequency encoding of positions in front of it
    warp_lr: float = 1e-3
    learner: Literal["full", "hsm"] = "full"  # hsm: hard sample mining
    pixels: Literal["uniform", "error-map"] = "uniform"  # error-map: where errors were large

    def __post_init__(self) -> None:
        MiningConfig.__post_init__(self)
        ErrorMapOptions.__post_init__(self)
        HashConfig.__post_init__(self)
        if self.warp_layers < 1:
            raise ConfigError(f"warp_layers is {self.warp_layers}: write a positive number")


class NGPTime(HashMethod):
    """A hash encoding and tiny MLPs of all times behind a warp and a grid of all times."""

    name = "ngp-time"
    Config = NGPTimeConfig
    takes_time = True
    config: NGPTimeConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = HashMethod.device_defaults

    def build_field(self, generator: torch.Generator) -> WarpedHashField:
        c = self.config
        layout = HashLayout(c.levels, c.log2_table, c.base_resolution, c.finest_resolution)
        precision = resolve_precision(c.precision, self.device)
        field = WarpedHashField(layout, c.hidden, c.geometry, precision, self.backend, generator)
        shape = WarpShape(c.warp_octaves, hidden=c.warp_hidden, layers=c.warp_layers)
        field.add_warp(Warp(shape, generator))
        return field

    def build_optimizer(self) -> torch.optim.Optimizer:
        optimizer = super().build_optimizer()
        warp = {id(p) for p in self.field.get_submodule("warp").parameters()}
        networks = optimizer.param_groups[1]
        apart = [p for p in networks["params"] if id(p) in warp]
        networks["params"] = [p for p in networks["params"] if id(p) not in warp]
        optimizer.add_param_group({"params": apart, "lr": self.config.warp_lr})
        return optimizer

    def build_pixels(self) -> TrainingPixels:
        if self.config.pixels == "uniform":
            return super().build_pixels()
        views = self.context.scene.train
        return ErrorMapPixels(self.config, views, self.aabb, self.device, self.backend)

    def build_learner(self) -> Learner:
        if self.config.learner == "full":
            return super().build_learner()
        images = len(self.context.scene.train)
        return HardSampleLearner(self.config, images, self.generator, self.backend)
