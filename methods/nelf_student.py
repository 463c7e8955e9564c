"""A neural light field distilled from a radiance field (Cao et al. 2023, *MobileR2L*)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from effbench.method import Requirement
from effbench.nerf.lightfield.config import DistillConfig
from effbench.nerf.lightfield.distillation import NeLFMethod


class NeLFStudent(NeLFMethod):
    """A network from rays to colours, without samples or volume rendering, taught by a trained
    radiance field: MobileR2L, D60-SR3 by default on a GPU and a small one of its shape on a CPU."""

    name = "nelf-student"
    Config = DistillConfig

    @classmethod
    def control(cls, config: Any) -> Requirement | None:
        return Requirement("nelf-student", {**asdict(config), "real_share": 1.0})
