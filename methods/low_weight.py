"""Visibility pruning (Li et al. 2023, NerfAcc): train only on samples that can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from effbench.nerf.training.hash_method import HashConfig, HashMethod


@dataclass(frozen=True)
class LowWeightConfig(HashConfig):
    compaction: Literal["transmittance", "low-weight", "none"] = "low-weight"  # before training


class LowWeight(HashMethod):
    """Instant-NGP without the samples behind surfaces and the nearly transparent ones."""

    name = "low-weight"
    Config = LowWeightConfig
