"""The vanilla NeRF MLP (Mildenhall et al. 2020): the dense parent of the pruned networks."""

from __future__ import annotations

import torch

from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPField, MLPShape
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


class NeRF(MLPMethod):
    """The vanilla MLP of 595,844 parameters behind an occupancy grid."""

    name = "nerf"
    Config = MLPConfig

    def build_field(self, generator: torch.Generator) -> MLPField:
        precision = resolve_precision(self.config.precision, self.device)
        return MLPField(MLPShape(), precision, generator)
