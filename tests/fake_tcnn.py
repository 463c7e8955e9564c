"""A stand-in for `tinycudann`: its parameter layout and arithmetic, written out slowly from its
documentation, in float32 on a CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

SIGNATURES = {  # of the bindings for torch, tiny-cuda-nn 2.0
    "Encoding.__init__": "self, n_input_dims, encoding_config, seed=1337, dtype=None",
    "Encoding.forward": "self, x",
    "Network.__init__": "self, n_input_dims, n_output_dims, network_config, seed=1337",
    "Network.forward": "self, x",
}
PRIMES = (1, 2654435761, 805459861)


class Encoding(nn.Module):
    def __init__(
        self,
        n_input_dims: int,
        encoding_config: dict[str, Any],
        seed: int = 1337,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        assert n_input_dims == 3
        assert (seed, dtype) == (1337, None), "its defaults are meant"
        self.config, rows = encoding_config, 0
        self.spherical = encoding_config["otype"] == "SphericalHarmonics"
        self.levels: list[tuple[float, int, int, int]] = []  # scale, resolution, size, first row
        for level in range(0 if self.spherical else encoding_config["n_levels"]):
            log2 = math.log2(encoding_config["per_level_scale"])
            scale = 2 ** (level * log2) * encoding_config["base_resolution"] - 1
            resolution = math.ceil(scale - 1e-5) + 1
            size = min(-(-(resolution**3) // 8) * 8, 1 << encoding_config["log2_hashmap_size"])
            self.levels.append((scale, resolution, size, rows))
            rows += size
        self.params = nn.Parameter(torch.zeros(2 * rows))

    def forward(self, x: Tensor) -> Tensor:
        if self.spherical:
            from effbench.kernels.rays import spherical_harmonics

            return spherical_harmonics(2 * x - 1)
        table = self.params.view(-1, 2)
        rows = [torch.cat([self._level(p, *level, table) for level in self.levels]) for p in x]
        return torch.stack(rows)

    @staticmethod
    def _level(
        point: Tensor, scale: float, resolution: int, size: int, first: int, table: Tensor
    ) -> Tensor:
        total = torch.zeros(2)
        scaled = [float(c) * scale + 0.5 for c in point]
        cell = [math.floor(c) for c in scaled]
        for corner in range(8):
            bits = [corner >> axis & 1 for axis in range(3)]
            weight = 1.0
            for axis in range(3):
                part = scaled[axis] - cell[axis]
                weight *= part if bits[axis] else 1 - part
            vertex = [c + b for c, b in zip(cell, bits, strict=True)]
            if resolution**3 <= size:
                index = vertex[0] + resolution * (vertex[1] + resolution * vertex[2])
            else:
                index = 0
                for c, prime in zip(vertex, PRIMES, strict=True):
                    index ^= c * prime & 0xFFFFFFFF
            total = total + weight * table[first + index % size]
        return total


class Network(nn.Module):
    def __init__(
        self,
        n_input_dims: int,
        n_output_dims: int,
        network_config: dict[str, Any],
        seed: int = 1337,
    ) -> None:
        super().__init__()
        assert seed == 1337, "its default is meant"
        assert n_input_dims % 16 == 0, "it would be filled with ones"
        assert network_config["output_activation"] == "None"
        hidden, layers = network_config["n_neurons"], network_config["n_hidden_layers"]
        self.outputs = n_output_dims
        padded = -(-n_output_dims // 16) * 16
        self.shapes = [(hidden, n_input_dims), *[(hidden, hidden)] * (layers - 1), (padded, hidden)]
        self.params = nn.Parameter(torch.zeros(sum(a * b for a, b in self.shapes)))

    def forward(self, x: Tensor) -> Tensor:
        start = 0
        for number, (outputs, inputs) in enumerate(self.shapes):
            weight = self.params[start : start + outputs * inputs].view(outputs, inputs)
            x = x @ weight.T
            if number < len(self.shapes) - 1:
                x = torch.relu(x)
            start += outputs * inputs
        return x[:, : self.outputs]
