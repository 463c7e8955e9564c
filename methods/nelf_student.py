"""A neural light field distilled from a radiance field (Cao et al. 2023, *MobileR2L*)."""

from __future__ import annotations

from effbench.nerf.lightfield.config import DistillConfig
from effbench.nerf.lightfield.distillation import NeLFMethod


class NeLFStudent(NeLFMethod):
    """A network from rays to colours, without samples or volume rendering, taught by a trained
    radiance field; D60-SR3 by default on a GPU."""

    name = "nelf-student"
    Config = DistillConfig
