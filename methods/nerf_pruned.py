"""Neuron pruning of the vanilla NeRF (Ding et al. 2025), trained again after pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from effbench.errors import ConfigError
from effbench.method import Requirement
from effbench.nerf.compression.mlp_sensitivity import (
    occupied_points,
    output_change,
    sensitive_widths,
    shape_widths,
)
from effbench.nerf.compression.pruning import prune, pruned_shape
from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import DEPTH, MLPField, MLPShape
from effbench.nerf.sampling import OccupancySampler, Sampler
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class PrunedConfig(MLPConfig):
    selection: Literal["uniform", "w_in", "w_out", "product", "coreset"] = "coreset"
    width: int = 128  # neurons that each pruned layer keeps
    init: Literal["inherit", "scratch"] = "inherit"  # the kept weights, or fresh ones
    layers: tuple[int, ...] = (0, 1, 2, 3, 5, 6)  # 4 feeds the skip, 7 the heads; 0 to 7 for all
    allocation: Literal["equal", "sensitivity"] = "equal"  # width of all layers, or on average
    train_from: int = 0  # first hidden layer that is trained on; 8: the heads alone

    def __post_init__(self) -> None:
        if not 0 <= self.train_from <= DEPTH:
            raise ConfigError(f"train_from is {self.train_from}: write 0 to {DEPTH}")
        if self.init == "scratch" and (self.train_from or self.allocation != "equal"):
            raise ConfigError(
                "init=scratch has no trained weights: use train_from=0 and allocation=equal, or "
                "init=inherit"
            )


class PrunedNeRF(MLPMethod):
    """The dense NeRF with neurons removed from its hidden layers, then trained again.

    With init=scratch the chosen neurons make no difference: it shows what the smaller network
    reaches on its own. nerf-continued keeps every neuron: what training on for as long does alone.
    """

    name = "nerf-pruned"
    Config = PrunedConfig
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "nerf-continued": {"width": 256, "selection": "uniform"},
    }
    config: PrunedConfig
    field: MLPField

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        return {} if config.init == "scratch" else {"dense": Requirement("nerf", _shared(config))}

    @classmethod
    def control(cls, config: Any) -> Requirement | None:
        if config.init == "scratch":
            return Requirement("nerf", _shared(config))
        layers = PrunedConfig.layers  # which ones are not pruned makes no difference
        return Requirement("nerf-continued", {**_shared(config), "layers": layers})

    def build_field(self, generator: torch.Generator) -> MLPField:
        c = self.config
        precision = resolve_precision(c.precision, self.device)
        if c.init == "scratch":
            return MLPField(pruned_shape(MLPShape(), c.width, c.layers), precision, generator)
        parent = MLPField(MLPShape(), precision, generator)
        state = self.context.parents["dense"].state
        parent.load_state_dict({name: state[f"field.{name}"] for name in parent.state_dict()})
        width: int | dict[int, int] = c.width
        if c.allocation == "sensitivity":
            width = self._sensitive_widths(parent)
        field = prune(parent, c.selection, width, generator, c.layers)
        for layer in field.hidden[: c.train_from]:
            layer.requires_grad_(False)
        return field

    def build_optimizer(self) -> torch.optim.Optimizer:
        trained = [p for p in self.field.parameters() if p.requires_grad]
        return torch.optim.Adam(trained, lr=self.config.lr, fused=True)

    def _sensitive_widths(self, parent: MLPField) -> dict[int, int]:
        """Return a width per layer, by what its neurons do where the parent sees something."""
        c, seed = self.config, self.context.seed
        generator = torch.Generator().manual_seed(seed + 1)
        sampler = self.build_sampler()
        grid = sampler.grid if isinstance(sampler, OccupancySampler) else None
        step = grid.step if grid is not None else 1 / c.coarse
        points = occupied_points(grid, generator, self.device).cpu()
        directions = functional.normalize(torch.randn(points.shape, generator=generator), dim=1)
        change = output_change(parent, points, directions, step)
        return sensitive_widths(parent, c.selection, c.width, c.layers, change, seed)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        hidden = shape_widths(state, DEPTH)
        if hidden != self.field.shape.hidden:  # found on another device, by other roundings
            shape = replace(self.field.shape, hidden=hidden)
            fresh = MLPField(shape, self.field.precision, torch.Generator())
            self.field = fresh.to(self.device)
        super().load_state(state)

    def build_sampler(self) -> Sampler:
        sampler = super().build_sampler()
        if self.config.init == "inherit":
            sampler.load_state(self.context.parents["dense"].state)
        return sampler


def _shared(config: PrunedConfig) -> dict[str, Any]:
    """Return the parameters that the dense NeRF has, too."""
    known = {field.name for field in fields(MLPConfig)}
    return {name: value for name, value in asdict(config).items() if name in known}
