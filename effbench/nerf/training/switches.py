"""Accelerations of the training step that are the same for every field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from effbench.errors import ConfigError


@dataclass(frozen=True)
class Switches:
    """Their parameters, which a method's Config may inherit (docs/acceleration.md)."""

    image_schedule: Literal["constant", "progressive"] = "constant"  # progressive: small ones first
    loading: Literal["preloaded", "async"] = "preloaded"  # async: sent a step ahead by a thread
    checkpointing: bool = False  # evaluate networks again in the backward pass: less is kept
    compile: bool = False  # networks as layers that torch.compile joins
    shading: Literal["auto", "parts"] = "auto"  # auto: networks and rendering as one where possible

    def __post_init__(self) -> None:
        if self.loading == "async" and self.image_schedule != "constant":
            raise ConfigError(
                "loading=async sends pixels of images of one size: use image_schedule=constant, or "
                "loading=preloaded"
            )

    @classmethod
    def of(cls, config: Any) -> Switches:
        """Return what a config says of them, as far as it has them."""
        own = (f.name for f in fields(cls) if hasattr(config, f.name))
        return cls(**{name: getattr(config, name) for name in own})
