"""A small light field that looks up learned features of its rays' points in a hash table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from effbench.method import Requirement
from effbench.nerf.lightfield.config import FeaturesConfig
from effbench.nerf.lightfield.distillation import FeaturesMethod


class NeLFFeatures(FeaturesMethod):
    """A light field with a table of features between its rays and a narrow network: learns most in
    a minute on a CPU, and is slow where lookups are."""

    name = "nelf-features"
    Config = FeaturesConfig

    @classmethod
    def control(cls, config: Any) -> Requirement | None:
        return Requirement("nelf-features", {**asdict(config), "real_share": 1.0})
