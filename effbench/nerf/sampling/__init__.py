"""Rays, and where along them a field is evaluated."""

from effbench.nerf.sampling.sampler import OccupancyOptions, OccupancySampler, Placed, Sampler

__all__ = ["OccupancyOptions", "OccupancySampler", "Placed", "Sampler"]
