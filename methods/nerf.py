"""The vanilla NeRF MLP (Mildenhall et al. 2020): the dense parent of the pruned networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPField, MLPShape
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod
from effbench.nerf.training.switches import Switches


@dataclass(frozen=True)
class NeRFConfig(Switches, MLPConfig):
    """Training of the vanilla network, with the step's switches."""


class NeRF(MLPMethod):
    """The vanilla MLP of 595,844 parameters behind an occupancy grid."""

    name = "nerf"
    Config = NeRFConfig

    def build_field(self, generator: torch.Generator) -> MLPField:
        precision = resolve_precision(self.config.precision, self.device)
        return MLPField(MLPShape(), precision, generator)
