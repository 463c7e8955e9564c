"""Hard sample mining (Korhonen et al., *Efficient NeRF Optimization – Not All Samples Remain
Equally Hard*): an inexpensive look at all samples, gradients through the hard ones only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from effbench.method import Method
from effbench.nerf.fields import resolve_precision
from effbench.nerf.hash_method import HashConfig, HashMethod
from effbench.nerf.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.mlp_field import MLPField, MLPShape
from effbench.nerf.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class HSMConfig(MiningConfig, HashConfig):
    base: Literal["instant-ngp", "nerf"] = "instant-ngp"  # whose field, sampler and optimiser
    compaction: Literal["transmittance", "low-weight", "none"] = "none"  # before mining


class HSM(HashMethod):
    """Hard sample mining: backpropagates through samples drawn by the size of their gradient."""

    name = "hsm"
    Config = HSMConfig
    config: HSMConfig

    @classmethod
    def specialised(cls, params: Mapping[str, Any]) -> type[Method]:
        return HSMOnNeRF if params.get("base") == "nerf" else cls

    def build_learner(self) -> HardSampleLearner:
        images = len(self.context.scene.train)
        return HardSampleLearner(self.config, images, self.generator, self.backend)


@dataclass(frozen=True)
class HSMOnNeRFConfig(MiningConfig, MLPConfig):
    base: Literal["instant-ngp", "nerf"] = "nerf"


class HSMOnNeRF(MLPMethod):
    """Hard sample mining with the vanilla MLP."""

    name = HSM.name  # not a literal: this class is not listed on its own
    Config = HSMOnNeRFConfig
    config: HSMOnNeRFConfig

    def build_field(self, generator: torch.Generator) -> MLPField:
        precision = resolve_precision(self.config.precision, self.device)
        return MLPField(MLPShape(), precision, generator)

    def build_learner(self) -> HardSampleLearner:
        images = len(self.context.scene.train)
        return HardSampleLearner(self.config, images, self.generator, self.backend)
