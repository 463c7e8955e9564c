"""Proposal sampling (Barron et al. 2022, Mip-NeRF 360; Li et al. 2023, NerfAcc)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from effbench.nerf.sampling import Sampler
from effbench.nerf.sampling.proposal import ProposalOptions, ProposalSampler
from effbench.nerf.training.hash_method import HashConfig, HashMethod


@dataclass(frozen=True)
class ProposalConfig(ProposalOptions, HashConfig):
    def __post_init__(self) -> None:
        ProposalOptions.__post_init__(self)
        HashConfig.__post_init__(self)


class Proposal(HashMethod):
    """Instant-NGP's field, with learnt proposal networks in the place of its occupancy grid."""

    name = "proposal"
    Config = ProposalConfig
    config: ProposalConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "cpu": {
            "levels": 8,
            "log2_table": 18,
            "finest_resolution": 512,
            "hidden": 32,
            "samples": 24576,
            "lr": 0.03,
            "proposal_samples": (64,),
            "field_samples": 16,
            "proposal_levels": 4,
            "proposal_log2_table": 15,
            "proposal_resolution": 64,
            "proposal_warmup": 100,
        }
    }

    @classmethod
    def why_one_rank(cls, config: Any) -> str:
        return "it samples without an occupancy grid"

    def build_sampler(self) -> Sampler:
        seed = self.context.seed
        return ProposalSampler(self.config, self.space, self.device, self.backend, seed)
