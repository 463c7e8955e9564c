"""Pixel-level hard example mining (torch-ngp's error map; Tang 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from effbench.errors import ConfigError
from effbench.nerf.sampling.error_map import ErrorMapOptions, ErrorMapPixels
from effbench.nerf.training.hash_method import HashConfig, HashMethod


@dataclass(frozen=True)
class ErrorMapConfig(ErrorMapOptions, HashConfig):
    def __post_init__(self) -> None:
        ErrorMapOptions.__post_init__(self)
        HashConfig.__post_init__(self)
        if self.images != "all":
            raise ConfigError("error-map draws its pixels over all images: use images=all")


class ErrorMap(HashMethod):
    """Instant-NGP that draws its pixels where past errors were large."""

    name = "error-map"
    Config = ErrorMapConfig
    published: ClassVar[dict[str, Any]] = {**HashMethod.published, "images": "all"}
    config: ErrorMapConfig

    def build_pixels(self) -> ErrorMapPixels:
        views = self.context.scene.train
        return ErrorMapPixels(self.config, views, self.aabb, self.device, self.backend)
