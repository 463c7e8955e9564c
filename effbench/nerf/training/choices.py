"""Which pixels are drawn and what is learnt from them, as parameters: what static scenes have as
methods of their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.sampling.rays import TrainingPixels
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.learning import Learner
from effbench.nerf.training.method import RadianceFieldMethod


@dataclass(frozen=True)
class Choices(MiningConfig, ErrorMapOptions):
    """Parameters that a method's Config may inherit."""

    learner: Literal["full", "hsm"] = "full"  # hsm: hard sample mining
    pixels: Literal["uniform", "error-map"] = "uniform"  # error-map: where errors were large

    def __post_init__(self) -> None:
        MiningConfig.__post_init__(self)
        ErrorMapOptions.__post_init__(self)


class ChoosingMethod(RadianceFieldMethod):
    """Draws and learns as `Choices` say; to stand before what it extends."""

    config: Any  # has `Choices`

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


def set_apart(
    optimizer: torch.optim.Optimizer, field: nn.Module, modules: Collection[str], lr: float
) -> None:
    """Give parameters of a field's modules, which are in the last group, a rate of their own."""
    own = {id(p) for name, p in field.named_parameters() if name.partition(".")[0] in modules}
    rest = optimizer.param_groups[-1]
    apart = [p for p in rest["params"] if id(p) in own]
    if apart:
        rest["params"] = [p for p in rest["params"] if id(p) not in own]
        optimizer.add_param_group({"params": apart, "lr": lr})
