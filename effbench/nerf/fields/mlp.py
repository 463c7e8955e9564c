"""The vanilla NeRF network (Mildenhall et al. 2020, fig. 7) with a free width for every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.nerf.fields.encodings import frequency_encode, frequency_width
from effbench.nerf.fields.field import NetworkField

DEPTH = 8
SKIP = 4  # the encoded position is concatenated to the output of this layer
POSITION_OCTAVES = 10
DIRECTION_OCTAVES = 4
_EMPTY = -2.0  # logarithm of the density at the start: nearly empty, so that the grid clears soon


@dataclass(frozen=True)
class MLPShape:
    """Widths of the eight hidden layers, the feature layer and the view layer.

    The default has exactly 595,844 parameters.
    """

    hidden: tuple[int, ...] = (256,) * DEPTH
    feature: int = 256
    view: int = 128

    def inputs(self, layer: int) -> int:
        """Return how many inputs hidden `layer` reads."""
        position = frequency_width(POSITION_OCTAVES)
        if layer == 0:
            return position
        return self.hidden[layer - 1] + (position if layer == SKIP + 1 else 0)


def shape_of(state: Mapping[str, Tensor]) -> MLPShape:
    """Return the shape of the network whose weights by name are `state`."""
    hidden = tuple(len(state[f"hidden.{i}.weight"]) for i in range(DEPTH))
    return MLPShape(hidden, len(state["feature.weight"]), len(state["view.weight"]))


class Reader(NamedTuple):
    """A layer (by its name) that reads a hidden layer's output in `columns` of its weight."""

    name: str
    columns: slice


class MLPField(NetworkField):
    """Frequency-encoded position through eight ReLU layers; density, then colour by direction.

    Positions lie in [0, 1] and are encoded as [−1, 1], as in the original. The density is exp of
    the head's output, not ReLU: a ReLU head that starts negative never gets a gradient.
    """

    def __init__(self, shape: MLPShape, precision: str, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.precision = shape, precision
        self.hidden = nn.ModuleList(
            [nn.Linear(shape.inputs(i), shape.hidden[i]) for i in range(DEPTH)]
        )
        trunk = shape.hidden[-1]
        self.density_head = nn.Linear(trunk, 1)
        self.feature = nn.Linear(trunk, shape.feature)
        self.view = nn.Linear(shape.feature + frequency_width(DIRECTION_OCTAVES), shape.view)
        self.color_head = nn.Linear(shape.view, 3)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
        nn.init.constant_(self.density_head.bias, _EMPTY)
        self._trunk: Callable[[MLPField, Tensor], tuple[Tensor, Tensor]] = _trunk
        self._head: Callable[[MLPField, Tensor, Tensor], Tensor] = _head

    def compile_networks(self) -> None:
        self._trunk = torch.compile(_trunk, dynamic=True)
        self._head = torch.compile(_head, dynamic=True)

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        if encoded is not None:
            return encoded
        return frequency_encode(2 * positions - 1, POSITION_OCTAVES)

    def log_density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        with self._autocast(encoded.device):
            log_density, x = self._trunk(self, self._padded(encoded))
        return log_density[: len(encoded)].float(), x[: len(encoded)]

    def encode_directions(self, directions: Tensor) -> Tensor:
        return frequency_encode(directions, DIRECTION_OCTAVES)

    def color_logits(self, geometry: Tensor, directions: Tensor) -> Tensor:
        with self._autocast(geometry.device):
            output = self._head(self, self._padded(geometry), self._padded(directions))
        return output[: len(geometry)].float()

    def linear(self, name: str) -> nn.Linear:
        """Return the layer called `name` in the state dict, such as "hidden.3" or "feature"."""
        return cast(nn.Linear, self.get_submodule(name))

    def freeze_below(self, layer: int) -> None:
        """Leave the hidden layers before `layer` as they are: they get no gradient."""
        for hidden in self.hidden[:layer]:
            hidden.requires_grad_(False)

    def readers(self, layer: int) -> list[Reader]:
        """Return the layers that read the output of hidden `layer`."""
        width = self.shape.hidden[layer]
        if layer == DEPTH - 1:
            return [Reader("density_head", slice(0, width)), Reader("feature", slice(0, width))]
        first = frequency_width(POSITION_OCTAVES) if layer == SKIP else 0
        return [Reader(f"hidden.{layer + 1}", slice(first, first + width))]


def _trunk(field: MLPField, encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logarithm of the density [N] and the last hidden layer's output [N, G]."""
    x = encoded
    for index, layer in enumerate(field.hidden):
        x = functional.relu(layer(x), inplace=True)
        if index == SKIP:
            x = torch.cat([encoded.to(x.dtype), x], -1)
    return field.density_head(x)[:, 0], x


def _head(field: MLPField, geometry: Tensor, directions: Tensor) -> Tensor:
    """Return the colour logits [N, 3] of features [N, G] and encoded directions [N, D]."""
    feature = field.feature(geometry)
    x = torch.cat([feature, directions.to(feature.dtype)], -1)
    output: Tensor = field.color_head(functional.relu(field.view(x), inplace=True))
    return output
