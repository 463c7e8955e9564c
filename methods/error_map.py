"""Pixel-level hard example mining (torch-ngp's error map; Tang 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.training.hash_method import HashConfig, HashMethod


@dataclass(frozen=True)
class ErrorMapConfig(ErrorMapOptions, HashConfig):
    pass


class ErrorMap(HashMethod):
    """Instant-NGP that draws its pixels where past errors were large."""

    name = "error-map"
    Config = ErrorMapConfig
    config: ErrorMapConfig

    def build_pixels(self) -> ErrorMapPixels:
        views = self.context.scene.train
        return ErrorMapPixels(self.config, views, self.aabb, self.device, self.backend)
