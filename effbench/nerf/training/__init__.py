"""Radiance fields trained by volume rendering."""

from effbench.nerf.training.method import RadianceFieldMethod, TrainingOptions

__all__ = ["RadianceFieldMethod", "TrainingOptions"]
