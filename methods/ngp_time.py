"""Instant-NGP behind a warp, for scenes that move (after torch-ngp's mode for D-NeRF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from effbench.errors import ConfigError
from effbench.kernels.hash_encoding_4d import HashLayout4D
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField, resolve_precision
from effbench.nerf.fields.time_designs import BasisField, FourAxesField
from effbench.nerf.fields.warp import Warp, WarpedHashField, WarpShape
from effbench.nerf.training.choices import Choices, ChoosingMethod
from effbench.nerf.training.hash_method import HashConfig, HashMethod
from effbench.scene import Intrinsics

_OF_TIME = ("warp", "ambient", "coefficients")  # networks of a field with a rate of their own


@dataclass(frozen=True)
class NGPTimeConfig(Choices, HashConfig):
    design: Literal["warp", "hyper", "basis", "4d"] = "warp"  # how the field knows the time
    time_resolution: int = 16  # of the finest level along the fourth axis (hyper, 4d)
    warp_hidden: int = 64  # neurons of each layer of the network that the time enters
    warp_layers: int = 4
    ambient: int = 15  # features of place and time that the density's network gets beside (warp)
    warp_octaves: int = 6  # of the frequency encoding of positions in front of it
    warp_lr: float = 1e-3

    def __post_init__(self) -> None:
        Choices.__post_init__(self)
        HashConfig.__post_init__(self)
        if self.design in ("hyper", "4d") and self.time_resolution < 2:
            raise ConfigError(f"time_resolution is {self.time_resolution}: write a number ≥ 2")
        if self.warp_layers < 1:
            raise ConfigError(f"warp_layers is {self.warp_layers}: write a positive number")


class NGPTime(ChoosingMethod, HashMethod):
    """A hash encoding and tiny MLPs of all times behind a warp and a grid of all times."""

    name = "ngp-time"
    Config = NGPTimeConfig
    takes_time = True
    config: NGPTimeConfig

    def build_field(self, generator: torch.Generator) -> HashField:
        c = self.config
        layout = HashLayout(c.levels, c.log2_table, c.base_resolution, c.finest_resolution)
        precision = resolve_precision(c.precision, self.device)
        kind = {"warp": WarpedHashField, "basis": BasisField}.get(c.design, FourAxesField)
        field: HashField = kind(layout, c.hidden, c.geometry, precision, self.backend, generator)
        shape = WarpShape(c.warp_octaves, hidden=c.warp_hidden, layers=c.warp_layers)
        if isinstance(field, WarpedHashField):
            field.add_warp(Warp(shape, generator, 3 + c.ambient), c.ambient, generator)
        elif isinstance(field, BasisField):
            field.add_basis(c.warp_hidden, generator)
        elif isinstance(field, FourAxesField):
            ends = (8, 48, 6, c.time_resolution)
            ambient = Warp(shape, generator, outputs=1) if c.design == "hyper" else None
            field.add_fourth(HashLayout4D(4, c.log2_table, *ends), ambient, generator)
        return field

    def build_optimizer(self) -> torch.optim.Optimizer:
        optimizer = super().build_optimizer()
        warp = {
            id(p) for name, p in self.field.named_parameters() if name.partition(".")[0] in _OF_TIME
        }
        networks = optimizer.param_groups[1]
        apart = [p for p in networks["params"] if id(p) in warp]
        networks["params"] = [p for p in networks["params"] if id(p) not in warp]
        if apart:
            optimizer.add_param_group({"params": apart, "lr": self.config.warp_lr})
        return optimizer

    def exportable(self, intrinsics: Intrinsics) -> None:
        """No exported network has a time for an input."""
        return
