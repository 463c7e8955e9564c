"""Neuron pruning of the vanilla NeRF (Ding et al. 2025), trained again after pruning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, cast

import torch

from effbench.errors import ConfigError
from effbench.method import Requirement
from effbench.nerf.compression.pruning import prune, pruned_shape
from effbench.nerf.compression.sensitivity import Seen, widths_by_sensitivity
from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import DEPTH, MLPField, MLPShape, shape_of
from effbench.nerf.sampling import Sampler
from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class PrunedConfig(MLPConfig):
    selection: Literal["uniform", "w_in", "w_out", "product", "coreset"] = "coreset"
    width: int = 128  # neurons that each pruned layer keeps
    init: Literal["inherit", "scratch"] = "inherit"  # the kept weights, or fresh ones
    layers: tuple[int, ...] = (0, 1, 2, 3, 5, 6)  # 4 feeds the skip, 7 the heads; 0 to 7 for all
    allocation: Literal["equal", "sensitivity"] = "equal"  # width of each, or on average
    train_from: int = 0  # first hidden layer that is trained after pruning; 8: only the heads

    def __post_init__(self) -> None:
        if not 0 <= self.train_from <= DEPTH:
            raise ConfigError(f"train_from is {self.train_from}: write a number from 0 to {DEPTH}")
        if self.init == "scratch" and (self.train_from or self.allocation != "equal"):
            raise ConfigError(
                "init=scratch has nothing of the parent to leave alone or to measure: use "
                "train_from=0 and allocation=equal, or init=inherit"
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
            widths = dict.fromkeys(c.layers, c.width)
            return MLPField(pruned_shape(MLPShape(), widths), precision, generator)
        parent = MLPField(MLPShape(), precision, generator)
        state = self.context.parents["dense"].state
        parent.load_state_dict({name: state[f"field.{name}"] for name in parent.state_dict()})
        widths = dict.fromkeys(c.layers, c.width)
        if c.allocation == "sensitivity":
            seen = Seen.of(parent, self._parents_grid(), self.step_length, self.context.seed)
            widths = widths_by_sensitivity(parent, seen, c.selection, c.width, generator, c.layers)
        child = prune(parent, c.selection, widths, generator)
        child.freeze_below(c.train_from)
        return child

    @property
    def step_length(self) -> float:
        """The length of a step of training in sides of the cube."""
        return math.sqrt(3) / self.config.march_steps

    def _parents_grid(self) -> OccupancyGrid | None:
        """Return the grid of the dense parent; None where it samples without one."""
        if self.config.sampling != "occupancy":
            return None
        sampler = self.occupancy_sampler()
        sampler.load_state(self.context.parents["dense"].state)
        return sampler.grid

    def build_sampler(self) -> Sampler:
        sampler = super().build_sampler()
        if self.config.init == "inherit":
            sampler.load_state(self.context.parents["dense"].state)
        return sampler

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        prefix = "field."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if (shape := shape_of(own)) != cast(MLPField, self.field).shape:  # widths by another seed
            precision, weights = self.field.precision, torch.Generator().manual_seed(0)
            self.field = MLPField(shape, precision, weights).to(self.device)
        super().load_state(state)

    def facts(self) -> dict[str, Any]:
        widths = list(cast(MLPField, self.field).shape.hidden)
        return {**super().facts(), "hidden_widths": widths}


def _shared(config: PrunedConfig) -> dict[str, Any]:
    """Return the parameters that the dense NeRF has, too."""
    known = {field.name for field in fields(MLPConfig)}
    return {name: value for name, value in asdict(config).items() if name in known}
