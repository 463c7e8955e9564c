"""Visibility pruning (Li et al. 2023, NerfAcc): train only on samples that can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from effbench.nerf.training.hash_method import HashConfig, HashMethod


@dataclass(frozen=True)
class LowWeightConfig(HashConfig):
    compaction: Literal["transmittance", "low-weight", "none"] = "low-weight"  # before training


class LowWeight(HashMethod):
    """Instant-NGP without the samples behind surfaces and the nearly transparent ones."""

    name = "low-weight"
    Config = LowWeightConfig
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # NerfAcc's example of bounded scenes, examples/train_ngp_nerf_occ.py
        "low-weight-nerfacc": {
            "alpha_threshold": 0.0,
            "early_stop_eps": 1e-4,
            "grid_threshold": 0.01,
        },
    }
