"""Rays, and where along them a field is evaluated."""

from effbench.nerf.sampling.sampler import (
    EncodedSamples,
    OccupancyOptions,
    OccupancySampler,
    Sampler,
)

__all__ = ["EncodedSamples", "OccupancyOptions", "OccupancySampler", "Sampler"]
