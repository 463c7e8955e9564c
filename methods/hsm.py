"""Hard sample mining (Korhonen et al., *Efficient NeRF Optimization – Not All Samples Remain
Equally Hard*): a look at all samples, gradients through the hard ones only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.errors import ConfigError
from effbench.method import Method
from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPField, MLPShape
from effbench.nerf.sampling import Sampler
from effbench.nerf.sampling.proposal import ProposalOptions, ProposalSampler
from effbench.nerf.training import RadianceFieldMethod
from effbench.nerf.training.hash_method import HashConfig, HashMethod, as_published
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class HSMConfig(MiningConfig, HashConfig):
    base: Literal["instant-ngp", "nerf"] = "instant-ngp"  # whose field, sampler and optimiser
    sampler: Literal["occupancy", "proposal"] = "occupancy"  # where on the rays; instant-ngp's
    compaction: Literal["transmittance", "low-weight", "none"] = "none"  # before mining

    def __post_init__(self) -> None:
        MiningConfig.__post_init__(self)
        HashConfig.__post_init__(self)


class HSM(HashMethod):
    """Instant-NGP that differentiates through samples drawn by the size of their gradient."""

    name = "hsm"
    Config = HSMConfig
    capture_defaults: ClassVar[dict[str, dict[str, Any]]] = {"cpu": {"grid_threshold": 0.05}}
    published: ClassVar[dict[str, Any]] = {**HashMethod.published, "evaluate": "drawn"}
    config: HSMConfig

    @classmethod
    def specialised(cls, params: Mapping[str, Any]) -> type[Method]:
        proposal = params.get("sampler") == "proposal"
        published = params.get("recipe") == "published"
        if params.get("base") == "nerf":
            if published:
                raise ConfigError(
                    "hsm has no recipe=published with base=nerf: it was tested on instant-ngp"
                )
            if proposal:
                raise ConfigError(
                    "hsm has no sampler=proposal with base=nerf: use sampling=hierarchical there"
                )
            return HSMOnNeRF
        method = HSMOnProposal if proposal else HSM
        return as_published(method) if published else method

    def build_learner(self) -> HardSampleLearner:
        return learner(self)


# The variants below have names that are not literals, so that they are not listed on their own,
# and leave the defaults of `base` and `sampler` alone, so that records show what was chosen.


@dataclass(frozen=True)
class HSMOnProposalConfig(HSMConfig, ProposalOptions):
    def __post_init__(self) -> None:
        HSMConfig.__post_init__(self)
        ProposalOptions.__post_init__(self)


class HSMOnProposal(HashMethod):
    """Hard sample mining over the samples of proposal networks."""

    name = HSM.name
    Config = HSMOnProposalConfig
    published: ClassVar[dict[str, Any]] = HSM.published
    config: HSMOnProposalConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "cpu": HashMethod.device_defaults["cpu"]
        | {  # as `proposal` has them
            "proposal_samples": (64,),
            "field_samples": 16,
            "proposal_levels": 4,
            "proposal_log2_table": 15,
            "proposal_resolution": 64,
            "proposal_warmup": 100,
        }
    }

    def build_sampler(self) -> Sampler:
        seed = self.context.seed
        return ProposalSampler(self.config, self.space, self.device, self.backend, seed)

    def build_learner(self) -> HardSampleLearner:
        return learner(self)


@dataclass(frozen=True)
class HSMOnNeRFConfig(MiningConfig, MLPConfig):
    base: Literal["instant-ngp", "nerf"] = "instant-ngp"


class HSMOnNeRF(MLPMethod):
    """Hard sample mining with the vanilla MLP."""

    name = HSM.name
    Config = HSMOnNeRFConfig
    config: HSMOnNeRFConfig

    def build_field(self, generator: torch.Generator) -> MLPField:
        precision = resolve_precision(self.config.precision, self.device)
        return MLPField(MLPShape(), precision, generator)

    def build_learner(self) -> HardSampleLearner:
        return learner(self)


def learner(method: RadianceFieldMethod) -> HardSampleLearner:
    images = len(method.context.scene.train)
    return HardSampleLearner(method.config, images, method.generator, method.backend)
