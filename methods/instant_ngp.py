"""Instant-NGP (Müller et al. 2022): the baseline that everything else is measured against."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.errors import ConfigError
from effbench.method import Requirement
from effbench.nerf.fields import HashField, NetworkField
from effbench.nerf.sampling import Sampler
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.training.hash_method import HashConfig, HashMethod
from effbench.nerf.training.switches import Switches


@dataclass(frozen=True)
class InstantNGPConfig(Switches, HashConfig):
    sampling: Literal["occupancy", "uniform", "hierarchical"] = "occupancy"  # where on a ray
    uniform: int = 192  # stratified samples per ray (uniform)
    coarse: int = 64  # stratified samples per ray (hierarchical)
    fine: int = 128  # importance samples per ray (hierarchical)
    level_schedule: Literal["constant", "progressive"] = "constant"  # progressive: coarse first
    initial: str = ""  # a scene from whose trained field training starts, such as procedural/temple

    def __post_init__(self) -> None:
        Switches.__post_init__(self)
        HashConfig.__post_init__(self)
        if self.sampling != "occupancy" and self.space == "cascades":
            raise ConfigError(
                f"sampling={self.sampling} places as many samples on every ray, which does not go "
                "through cascades: use space=contracted or space=box"
            )


class InstantNGP(HashMethod):
    """Hash encoding, tiny MLPs and an occupancy grid."""

    name = "instant-ngp"
    Config = InstantNGPConfig
    published: ClassVar[dict[str, Any]] = {**HashMethod.published, "compaction": "none"}
    config: InstantNGPConfig

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        if not config.initial:
            return {}
        same = {**asdict(config), "initial": ""}
        return {"initial": Requirement(cls.name, same, scene=config.initial)}

    def build_field(self, generator: torch.Generator) -> NetworkField:
        field = super().build_field(generator)
        if self.config.initial:  # grid and optimiser begin anew
            state = self.context.parents["initial"].state
            field.load_shipped({name: state[f"field.{name}"] for name in field.shipped()})
        if self.config.level_schedule == "progressive":
            if not isinstance(field, HashField):
                raise ConfigError(
                    "level_schedule=progressive needs effbench's own hash encoding: use a backend "
                    "without tcnn"
                )
            field.coarse_to_fine()
        return field

    def build_sampler(self) -> Sampler:
        c = self.config
        if c.sampling == "occupancy":
            return super().build_sampler()
        each = (c.uniform, 0) if c.sampling == "uniform" else (c.coarse, c.fine)
        return HierarchicalSampler(*each, self.space, self.backend)

    def facts(self) -> dict[str, Any]:
        begun = {"initial_scene": self.config.initial} if self.config.initial else {}
        return {**super().facts(), **begun}
