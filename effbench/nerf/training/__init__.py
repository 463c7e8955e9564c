"""Radiance fields trained by volume rendering."""

from effbench.nerf.training.method import RadianceFieldMethod
from effbench.nerf.training.options import TrainingOptions

__all__ = ["RadianceFieldMethod", "TrainingOptions"]
