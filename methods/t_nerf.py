"""T-NeRF as NerfAcc has it: a small warp in front of the vanilla NeRF, for scenes that move."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPShape
from effbench.nerf.fields.warp import Warp, WarpedMLPField, WarpShape
from effbench.nerf.training.choices import Choices, ChoosingMethod
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class TNeRFConfig(Choices, MLPConfig):
    """Training of T-NeRF, with the choices of pixels and learner."""


class TNeRF(ChoosingMethod, MLPMethod):
    """The vanilla NeRF of all times behind a warp of 17,347 parameters: 613,191 together."""

    name = "t-nerf"
    Config = TNeRFConfig
    takes_time = True
    config: TNeRFConfig

    def build_field(self, generator: torch.Generator) -> WarpedMLPField:
        precision = resolve_precision(self.config.precision, self.device)
        field = WarpedMLPField(MLPShape(), precision, generator)
        field.add_warp(Warp(WarpShape(), generator))
        return field
