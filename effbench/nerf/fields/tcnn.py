"""Instant-NGP's field on tiny-cuda-nn's kernels (Müller 2021): `--backend tcnn`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.errors import ConfigError
from effbench.kernels.rays import SH_WIDTH
from effbench.nerf.fields.field import HashField, NetworkField
from effbench.nerf.fields.tcnn_layout import (
    TcnnGrid,
    network_config,
    pack_network,
    padded,
    unpack_network,
)


class TcnnField(NetworkField):
    """The networks and the encoding of a `HashField`, begun with its weights.

    Parameters are float32, kernels compute in float16, as the library does by default. It fills
    inputs up to a multiple of 16 with ones, which would be a bias: they are filled with zeros here.
    """

    precision = "fp16"

    def __init__(self, field: HashField, library: Any = None) -> None:
        """library: the module `tinycudann`, imported unless given."""
        super().__init__()
        tcnn = library or importlib.import_module("tinycudann")
        self.grid = TcnnGrid(field.layout)
        hidden, inputs = field.density_layers[0].shape
        self._shapes = {
            name: [(w.shape[0], w.shape[1]) for w in layers]
            for name, layers in (("density", field.density_layers), ("color", field.color_layers))
        }
        outputs = self._shapes["density"][-1][0]
        color_inputs = self._shapes["color"][0][1]
        self._inputs, self._color_inputs = padded(inputs), padded(color_inputs)
        self.encoding = tcnn.Encoding(3, self.grid.config)
        sphere = {"otype": "SphericalHarmonics", "degree": 4}
        self.directions = tcnn.Encoding(3, sphere)
        self.density_network = tcnn.Network(self._inputs, outputs, network_config(hidden, 1))
        self.color_network = tcnn.Network(self._color_inputs, 3, network_config(hidden, 2))
        self.load_hash_field(field.state_dict())

    @property
    def table(self) -> nn.Parameter:
        """The hash table, flat: what is trained without weight decay."""
        params: nn.Parameter = self.encoding.params
        return params

    def load_hash_field(self, state: Mapping[str, Tensor]) -> None:
        """Take over the weights of a `HashField` of the same shape."""
        density = [state[f"density_layers.{i}"] for i in range(2)]
        color = [state[f"color_layers.{i}"] for i in range(3)]
        _fill(self.encoding.params, self.grid.from_ours(state["table"]).flatten())
        _fill(self.density_network.params, pack_network(density))
        _fill(self.color_network.params, pack_network(color))

    def hash_field(self) -> dict[str, Tensor]:
        """Return the weights as a `HashField` of the same shape has them. Raises ConfigError
        where the layouts of a level do not allow it."""
        density = unpack_network(self.density_network.params.detach(), self._shapes["density"])
        color = unpack_network(self.color_network.params.detach(), self._shapes["color"])
        table = self.encoding.params.detach().view(-1, 2)
        return {
            "table": self.grid.to_ours(table),
            **{f"density_layers.{i}": weight for i, weight in enumerate(density)},
            **{f"color_layers.{i}": weight for i, weight in enumerate(color)},
        }

    def shipped(self) -> dict[str, Tensor]:
        """Return the weights of a `HashField`, or the library's own where that cannot be."""
        try:
            return self.hash_field()
        except ConfigError:
            return super().shipped()

    def load_shipped(self, weights: Mapping[str, Tensor]) -> None:
        if "table" in weights:
            self.load_hash_field(weights)
        else:
            super().load_shipped(weights)

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        features: Tensor = self.encoding(positions)  # `encoded` has no way back to the table
        return features

    def log_density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        output = self.density_network(_widened(encoded, self._inputs))
        return output[:, 0].float(), output[:, 1:]

    def encode_directions(self, directions: Tensor) -> Tensor:
        harmonics: Tensor = self.directions((directions + 1) / 2)
        return harmonics[:, :SH_WIDTH]

    def color_logits(self, geometry: Tensor, directions: Tensor) -> Tensor:
        inputs = torch.cat([directions.to(geometry.dtype), geometry], 1)
        logits: Tensor = self.color_network(_widened(inputs, self._color_inputs))
        return logits.float()


def _widened(values: Tensor, width: int) -> Tensor:
    return functional.pad(values, (0, width - values.shape[1]))


@torch.no_grad()
def _fill(parameters: Tensor, values: Tensor) -> None:
    if parameters.shape != values.shape:
        raise ConfigError(
            f"tinycudann has {parameters.numel()} parameters where {values.numel()} were expected: "
            "this version lays them out otherwise, so use --backend auto"
        )
    parameters.copy_(values)
