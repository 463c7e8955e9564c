"""Points of a scene that moves are carried to where they are in one field of all times.

A small network says by how much a point at a time is displaced; a field is evaluated where that
leads (Pumarola et al. 2021, D-NeRF; sizes of NerfAcc's example of it, `TNeRFRadianceField`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.nerf.fields.encodings import frequency_encode, frequency_width
from effbench.nerf.fields.mlp import MLPField


@dataclass(frozen=True)
class WarpShape:
    """Octaves of the frequency encodings, width and number of the hidden layers. The default has
    exactly 17,347 parameters."""

    position_octaves: int = 4
    time_octaves: int = 4
    hidden: int = 64
    layers: int = 4

    @property
    def inputs(self) -> int:
        """Width of the encoded position and time."""
        return frequency_width(self.position_octaves) + frequency_width(self.time_octaves, 1)


class Warp(nn.Module):
    """Displacement of points by time: ReLU layers, of which the last reads the input again.

    It starts as next to nothing: output weights are from U(0, 10⁻⁴), biases 0.
    """

    def __init__(self, shape: WarpShape, generator: torch.Generator, outputs: int = 3) -> None:
        super().__init__()
        self.shape = shape
        inputs, hidden, count = shape.inputs, shape.hidden, shape.layers
        widths = [inputs, *[hidden] * (count - 1)]
        widths[-1] += inputs if count > 1 else 0
        self.hidden = nn.ModuleList([nn.Linear(width, hidden) for width in widths])
        self.last = nn.Linear(hidden, outputs)
        for module in self.hidden:
            assert isinstance(module, nn.Linear)
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
        nn.init.uniform_(self.last.weight, 0, 1e-4, generator=generator)
        nn.init.zeros_(self.last.bias)

    def forward(self, positions: Tensor, times: Tensor) -> Tensor:
        """Return displacements [N, outputs] in halves of the cube's side, of positions [N, 3] in
        [0, 1] at times [N]."""
        x = frequency_encode(2 * positions - 1, self.shape.position_octaves)
        inputs = torch.cat([x, frequency_encode(times[:, None], self.shape.time_octaves)], 1)
        x = inputs
        for index, layer in enumerate(self.hidden):
            if index and index == len(self.hidden) - 1:
                x = torch.cat([x, inputs.to(x.dtype)], 1)
            x = functional.relu(layer(x), inplace=True)
        displaced: Tensor = self.last(x)
        return displaced.float()


class WarpedMLPField(MLPField):
    """The vanilla NeRF behind a warp: T-NeRF."""

    warp: Warp

    def add_warp(self, warp: Warp) -> None:
        self.warp = warp

    def encode_at(
        self, positions: Tensor, times: Tensor | None, encoded: Tensor | None = None
    ) -> Tensor:
        if encoded is not None and not torch.is_grad_enabled():
            return encoded
        return self.encode(warped(self.warp, positions, times))


def warped(warp: Warp, positions: Tensor, times: Tensor | None) -> Tensor:
    """Return where positions [N, 3] in [0, 1] are at times [N] (None: at time 0) in the field of
    all times; what leaves the cube stays on its faces."""
    displaced: Tensor = warp(positions, known_times(positions, times))
    return (positions + 0.5 * displaced).clamp(0, 1)


def known_times(positions: Tensor, times: Tensor | None) -> Tensor:
    """Return the times [N] of positions [N, 3]; 0 of a scene that stands still."""
    return positions.new_zeros(len(positions)) if times is None else times
