"""T-NeRF as NerfAcc has it: a small warp in front of the vanilla NeRF, for scenes that move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPShape
from effbench.nerf.fields.warp import Warp, WarpedMLPField, WarpShape
from effbench.nerf.training.choices import Choices, ChoosingMethod, set_apart
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class TNeRFConfig(Choices, MLPConfig):
    """Training of T-NeRF, with the choices of pixels and learner."""

    warp_lr: float = 5e-4  # NerfAcc's, as of the rest


class TNeRF(ChoosingMethod, MLPMethod):
    """The vanilla NeRF of all times behind a warp of 17,347 parameters: 613,191 together."""

    name = "t-nerf"
    Config = TNeRFConfig
    takes_time = True
    config: TNeRFConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        # In small batches a warp that learns as fast as the rest tears the field apart.
        "cpu": {**MLPMethod.device_defaults["cpu"], "warp_lr": 1e-4}
    }

    def build_field(self, generator: torch.Generator) -> WarpedMLPField:
        precision = resolve_precision(self.config.precision, self.device)
        field = WarpedMLPField(MLPShape(), precision, generator)
        field.add_warp(Warp(WarpShape(), generator))
        return field

    def build_optimizer(self) -> torch.optim.Optimizer:
        optimizer = super().build_optimizer()
        set_apart(optimizer, self.field, ("warp",), self.config.warp_lr)
        return optimizer
