"""Ways to let a hash field know the time.

A coarse table of four axes beside the field's own holds what moves (4d), read at a fourth
coordinate that a network makes of place and time (hyper; Park et al. 2021, HyperNeRF), or at places
that a warp leads to, as the field's own table is (warp). Or density and colour are sums whose
coefficients a network makes of the time (basis; torch-ngp's, Tang 2022).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.kernels.hash_encoding_4d import HashLayout4D, hash_encode_4d
from effbench.kernels.hash_layout import FEATURES
from effbench.nerf.fields.encodings import frequency_encode, frequency_width
from effbench.nerf.fields.field import HashField, NetworkField
from effbench.nerf.fields.warp import Warp, known_times, warped

_OCTAVES = 6  # of the time
_DENSITIES, _COLOURS = 16, 8  # functions in the sums of basis
_LAYERS = 4


class Coefficients(nn.Module):
    """What a network of ReLU layers makes of the time, [N] to [N, outputs]: about 1 at the start,
    when the sums are nearly the same at all times."""

    def __init__(self, outputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = [frequency_width(_OCTAVES, 1), *[hidden] * _LAYERS, outputs]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(widths)])
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        assert isinstance(layer, nn.Linear)
        nn.init.ones_(layer.bias)

    def forward(self, times: Tensor) -> Tensor:
        x = frequency_encode(times[:, None], _OCTAVES)
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu(layer(x), inplace=True)
        found: Tensor = last(x)
        return found


class TimeField(HashField):
    """A hash field of all times: `encode` is at the beginning."""

    def plain(self) -> None:
        """The kernels that work on whole rays know no time."""
        return

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return self.encode_at(positions, None, encoded)

    def encode_places(self, places: Tensor, encoded: Tensor | None) -> Tensor:
        """Encode with the table of space alone; its features come first in `encoded`."""
        known = None if encoded is None else encoded[:, : self.layout.width].contiguous()
        return super().encode(places, known)


class MovingField(TimeField):
    """A hash field with a second table over space and time, both read where `warp` leads.

    The second one shows roughly what moves, and gives a warp something to carry: a field of all
    times alone has only a smear at first where something passes.
    """

    moving_layout: HashLayout4D
    warp: Warp | None  # of places, for both tables
    ambient: Warp | None  # of the fourth coordinate, which else is the time

    def add_time(
        self,
        layout: HashLayout4D,
        warp: Warp | None,
        ambient: Warp | None,
        generator: torch.Generator,
    ) -> None:
        """Add the second table and what finds places in it."""
        self.moving_layout, self.warp, self.ambient = layout, warp, ambient
        entries = torch.empty(layout.rows, FEATURES).uniform_(-1e-4, 1e-4, generator=generator)
        self.moving_table = nn.Parameter(entries)
        first = self.density_layers[0]
        added = torch.empty(len(first), layout.width)
        nn.init.xavier_uniform_(added, generator=generator)
        self.density_layers[0] = nn.Parameter(torch.cat([first.detach(), added], 1))

    def encode_at(
        self, positions: Tensor, times: Tensor | None, encoded: Tensor | None = None
    ) -> Tensor:
        if encoded is not None and not torch.is_grad_enabled():
            return encoded
        fourth = known_times(positions, times)[:, None]
        places = positions if self.warp is None else warped(self.warp, positions, times)
        if self.ambient is not None:
            fourth = (fourth + 0.5 * self.ambient(positions, fourth[:, 0])).clamp(0, 1)
        still = self.encode_places(places, encoded)
        points = torch.cat([places, fourth], 1)
        moving = hash_encode_4d(points, self.moving_table, self.moving_layout, self.backend)
        return torch.cat([still, moving.to(still.dtype)], 1)


class BasisField(TimeField):
    """A static hash encoding; coefficients of the time are carried with it to where density and
    colour are summed."""

    coefficients: Coefficients
    density = NetworkField.density  # of the sums, not of the networks' outputs
    color = NetworkField.color

    def add_basis(self, hidden: int, generator: torch.Generator) -> None:
        """Widen the networks' outputs to the functions of the sums."""
        self.coefficients = Coefficients(_DENSITIES + _COLOURS, hidden, generator)
        for layers, added in ((self.density_layers, _DENSITIES - 1), (self.color_layers, None)):
            last = layers[-1]
            rows = len(last) + added if added is not None else 3 * _COLOURS
            wider = nn.init.xavier_uniform_(torch.empty(rows, last.shape[1]), generator=generator)
            layers[-1] = nn.Parameter(wider)

    def encode_at(
        self, positions: Tensor, times: Tensor | None, encoded: Tensor | None = None
    ) -> Tensor:
        features = self.encode_places(positions, encoded)
        return torch.cat(
            [features, self.coefficients(known_times(positions, times)).to(features.dtype)], 1
        )

    def log_density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        features, coefficients = encoded.tensor_split([self.layout.width], 1)
        output = self._network(features, self.density_layers)
        own = coefficients[:, :_DENSITIES].to(output.dtype)
        log_density = (output[:, :_DENSITIES] * own).sum(1)
        geometry = torch.cat([output[:, _DENSITIES:], coefficients[:, _DENSITIES:].to(output)], 1)
        return log_density.float(), geometry

    def color_logits(self, geometry: Tensor, directions: Tensor) -> Tensor:
        features, own = geometry.tensor_split([geometry.shape[1] - _COLOURS], 1)
        output = super().color_logits(features, directions).view(-1, 3, _COLOURS)
        return (output * own[:, None].float()).sum(2)
