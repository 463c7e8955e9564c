"""Neuron pruning of the vanilla NeRF (Ding et al. 2025), trained again after pruning."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import torch

from effbench.method import Requirement
from effbench.nerf.compression.pruning import prune, pruned_shape
from effbench.nerf.fields import resolve_precision
from effbench.nerf.fields.mlp import MLPField, MLPShape
from effbench.nerf.sampling import Sampler
from effbench.nerf.training.mlp_method import MLPConfig, MLPMethod


@dataclass(frozen=True)
class PrunedConfig(MLPConfig):
    selection: Literal["uniform", "w_in", "w_out", "product", "coreset"] = "coreset"
    width: int = 128  # neurons that each pruned layer keeps
    init: Literal["inherit", "scratch"] = "inherit"  # the kept weights, or fresh ones
    layers: tuple[int, ...] = (0, 1, 2, 3, 5, 6)  # 4 feeds the skip, 7 the heads; 0 to 7 for all


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
            return MLPField(pruned_shape(MLPShape(), c.width, c.layers), precision, generator)
        parent = MLPField(MLPShape(), precision, generator)
        state = self.context.parents["dense"].state
        parent.load_state_dict({name: state[f"field.{name}"] for name in parent.state_dict()})
        return prune(parent, c.selection, c.width, generator, c.layers)

    def build_sampler(self) -> Sampler:
        sampler = super().build_sampler()
        if self.config.init == "inherit":
            sampler.load_state(self.context.parents["dense"].state)
        return sampler


def _shared(config: PrunedConfig) -> dict[str, Any]:
    """Return the parameters that the dense NeRF has, too."""
    known = {field.name for field in fields(MLPConfig)}
    return {name: value for name, value in asdict(config).items() if name in known}
