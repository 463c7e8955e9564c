"""Instant-NGP behind a warp and with a coarse table of space and time, for scenes that move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from effbench.errors import ConfigError
from effbench.kernels.hash_encoding_4d import HashLayout4D
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField
from effbench.nerf.fields.time_designs import BasisField, MovingField
from effbench.nerf.fields.warp import Warp, WarpShape
from effbench.nerf.training.choices import Choices, ChoosingMethod, set_apart
from effbench.nerf.training.hash_method import HashConfig, HashMethod
from effbench.scene import Intrinsics

_OF_TIME = ("warp", "ambient", "coefficients")  # networks of a field with a rate of their own


@dataclass(frozen=True)
class NGPTimeConfig(Choices, HashConfig):
    design: Literal["warp", "hyper", "basis", "4d"] = "warp"  # how the field knows the time
    time_levels: int = 4  # of the table of space and time (warp, hyper, 4d)
    time_base: int = 4  # resolution of its first level along the time
    time_resolution: int = 12  # of its last
    moving_base: int = 8  # of its first level in space
    moving_resolution: int = 32  # of its last
    warp_hidden: int = 32  # neurons of each layer of the network that the time enters
    warp_layers: int = 2
    warp_octaves: int = 6  # of the frequency encoding of positions in front of it
    warp_lr: float = 2e-3

    def __post_init__(self) -> None:
        Choices.__post_init__(self)
        HashConfig.__post_init__(self)
        if self.design != "basis":
            self.moving_layout()  # says what is wrong
        if self.warp_layers < 1:
            raise ConfigError(f"warp_layers is {self.warp_layers}: write a positive number")

    def moving_layout(self) -> HashLayout4D:
        """Return where the entries of the table of space and time lie."""
        space, time = (
            (self.moving_base, self.moving_resolution),
            (self.time_base, self.time_resolution),
        )
        return HashLayout4D(self.time_levels, self.log2_table, *space, *time)


class NGPTime(ChoosingMethod, HashMethod):
    """A hash encoding that knows the time, tiny MLPs, and a grid of all times."""

    name = "ngp-time"
    Config = NGPTimeConfig
    takes_time = True
    config: NGPTimeConfig
    device_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        # More and smaller steps than what stands still asks for: a warp takes many of them.
        "cpu": {**HashMethod.device_defaults["cpu"], "samples": 8192, "finest_resolution": 256}
    }

    def build_field(self, generator: torch.Generator) -> HashField:
        c = self.config
        layout = HashLayout(c.levels, c.log2_table, c.base_resolution, c.finest_resolution)
        precision = self.network_precision()
        kind = BasisField if c.design == "basis" else MovingField
        field: HashField = kind(layout, c.hidden, c.geometry, precision, self.backend, generator)
        if isinstance(field, BasisField):
            field.add_basis(c.warp_hidden, generator)
        elif isinstance(field, MovingField):
            shape = WarpShape(c.warp_octaves, hidden=c.warp_hidden, layers=c.warp_layers)
            warp = Warp(shape, generator) if c.design == "warp" else None
            ambient = Warp(shape, generator, outputs=1) if c.design == "hyper" else None
            field.add_time(c.moving_layout(), warp, ambient, generator)
        return field

    def build_optimizer(self) -> torch.optim.Optimizer:
        optimizer = super().build_optimizer()
        tables, networks = optimizer.param_groups
        if isinstance(self.field, MovingField):  # learnt as the other table is: without decay
            moving = self.field.moving_table
            tables["params"].append(moving)
            networks["params"] = [p for p in networks["params"] if p is not moving]
        set_apart(optimizer, self.field, _OF_TIME, self.config.warp_lr)
        return optimizer

    def exportable(self, intrinsics: Intrinsics) -> None:
        """No exported network has a time for an input."""
        return
