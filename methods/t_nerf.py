"""T-NeRF as NerfAcc has it: a small warp in front of the vanilla NeRF, for scenes that move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPShape
from effbench.nerf.fields.warp import Warp, WarpedMLPField, WarpShape
from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.sampling.rays import TrainingPixels
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.learning import Learner
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class TNeRFConfig(MiningConfig, ErrorMapOptions, MLPConfig):
    learner: Literal["full", "hsm"] = "full"  # hsm: hard sample mining
    pixels: Literal["uniform", "error-map"] = "uniform"  # error-map: where errors were large

    def __post_init__(self) -> None:
        MiningConfig.__post_init__(self)
        ErrorMapOptions.__post_init__(self)


class TNeRF(MLPMethod):
    """The vanilla NeRF of all times behind a warp of 17,347 parameters: 613,191 together."""

    name = "t-nerf"
    Config = TNeRFConfig
    takes_time = True
    config: TNeRFConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = MLPMethod.device_defaults

    def build_field(self, generator: torch.Generator) -> WarpedMLPField:
        precision = resolve_precision(self.config.precision, self.device)
        field = WarpedMLPField(MLPShape(), precision, generator)
        field.add_warp(Warp(WarpShape(), generator))
        return field

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
