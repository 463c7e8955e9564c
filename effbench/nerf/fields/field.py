"""Radiance fields: what maps a position and a direction to density and colour."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from effbench.errors import ConfigError
from effbench.kernels import shading
from effbench.kernels.activations import density_head, sigmoid, split_head, trunc_exp
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.mlp import TYPES, mlp, why_not_fused
from effbench.kernels.ray_rendering import HashNetworks
from effbench.kernels.rays import SH_WIDTH, spherical_harmonics

_FP16_SCALE = 2.0**14


class RadianceField(nn.Module):
    """The two halves of a field, so that samplers can ask for the density alone.

    N samples of R rays; E, G, D are the field's own widths.
    """

    precision: str = "fp32"

    @property
    def recordable(self) -> bool:
        """Whether a training step does the same with the field at any time, so that it may be
        recorded. Default: True."""
        return True

    def advance(self, progress: float) -> None:
        """Adapt to how much of the budget is spent, in [0, 1). Default: nothing to adapt."""

    def compile_networks(self) -> None:
        """Let torch.compile join the layers of the networks. Raises ConfigError if there are none
        that it could take, the default."""
        raise ConfigError(
            f"compile=true: torch.compile has nothing to join in a {type(self).__name__}: use "
            "compile=false"
        )

    @abstractmethod
    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        """Encode positions [N, 3] in [0, 1] as [N, E]; `encoded` may hold the known result."""

    def encode_at(
        self, positions: Tensor, times: Tensor | None, encoded: Tensor | None = None
    ) -> Tensor:
        """Do as `encode` does at times [N] in [0, 1]; None of a scene that stands still. Default:
        the field knows no time."""
        if times is not None:
            raise ConfigError(f"a {type(self).__name__} knows no time")
        return self.encode(positions, encoded)

    @abstractmethod
    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Return density ≥ 0 per unit-cube length (float32 [N]) and geometry features [N, G]."""

    @torch.no_grad()
    def look(self, encoded: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the density [N] without gradient, and what was computed for it [N, K], where
        `density_from` can go on from that. Default: nothing can."""
        return self.density(encoded)[0], None

    def density_from(self, encoded: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Do as `density` does, with what `look` had computed of the same points."""
        raise NotImplementedError

    @abstractmethod
    def encode_directions(self, directions: Tensor) -> Tensor:
        """Encode unit directions [R, 3] as [R, D]."""

    @abstractmethod
    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        """Return sRGB in [0, 1] (float32 [N, 3]) from features [N, G] and directions [N, D]."""

    def plain(self) -> HashNetworks | None:
        """Return the field as tensors that `kernels.ray_rendering` takes. Default: None, it is not
        of that kind."""
        return None

    def why_not_whole(self) -> str:
        """Return why `kernels.shading` cannot take the field's networks and rendering as one; "" if
        it can. Default: it cannot."""
        return f"a {type(self).__name__}"

    def facts(self) -> dict[str, Any]:
        """Return what a record should say of the field. Default: nothing."""
        return {}

    def shipped(self) -> dict[str, Tensor]:
        """Return the weights by name, detached. Default: the parameters."""
        return {name: tensor.detach() for name, tensor in self.named_parameters()}

    def load_shipped(self, weights: Mapping[str, Tensor]) -> None:
        """Load what `shipped` returned."""
        self.load_state_dict(weights)

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def _padded(self, x: Tensor) -> Tensor:
        """Return x [N, K] with rows of zeros below, where that makes networks faster.

        On a CPU bf16 products are compiled for every new shape: with as many samples as each
        step happens to have, that cost 11 of an iteration's 36 ms.
        """
        if self.precision != "bf16" or x.device.type != "cpu":
            return x
        return functional.pad(x, (0, 0, 0, padded_rows(len(x)) - len(x)))


def padded_rows(count: int) -> int:
    """Return the next of 16 sizes per octave, so that few are in use and at most 6 % is wasted
    (below 4096: at most 255 rows)."""
    step = max(256, 1 << max(count.bit_length() - 5, 0))
    return -(-count // step) * step


def resolve_precision(requested: str, device: torch.device) -> str:
    """Return "fp32", "bf16" or "fp16" for one of these or "auto".

    "auto" takes bf16 where the device multiplies it in hardware: emulated bf16 is slower than
    fp32. Raises ConfigError for bf16 on a GPU that has none, and for fp16 on a CPU.
    """
    if requested == "fp16" and device.type == "cpu":
        raise ConfigError("precision=fp16: a CPU has no fp16 units; use precision=auto")
    if device.type == "cuda":
        with torch.cuda.device(device):  # torch asks the current one
            supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        flags = torch.backends.cpu.get_cpu_capability()
        supported = "AVX512" in flags and torch.cpu._is_avx512_bf16_supported()
    if requested == "auto":
        return "bf16" if supported else "fp32"
    if requested == "bf16" and device.type == "cuda" and not supported:
        raise ConfigError(f"precision=bf16: {device} has no bf16 units; use fp16 or fp32")
    return requested


class NetworkField(RadianceField):
    """A field of networks, whose outputs can be had before they are activated.

    The density network ends in the logarithm of the density, the colour network in logits.
    """

    @abstractmethod
    def log_density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithm of the density (float32 [N]) and geometry features [N, G]."""

    @abstractmethod
    def color_logits(self, geometry: Tensor, directions: Tensor) -> Tensor:
        """Return the colour before the sigmoid (float32 [N, 3])."""

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        log_density, geometry = self.log_density(encoded)
        return trunc_exp(log_density), geometry

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return torch.sigmoid(self.color_logits(geometry, directions))


class HashField(NetworkField):
    """Instant-NGP's field: hash encoding, density MLP and colour MLP without biases.

    Density MLP: L·F → hidden → 1 + `geometry`; output 0 is the logarithm of the density. Colour
    MLP: spherical harmonics (16) and geometry features → hidden → hidden → 3, sigmoid.
    """

    _layers: Callable[[Tensor, nn.ParameterList], Tensor] | None = None  # compiled

    def __init__(
        self,
        layout: HashLayout,
        hidden: int,
        geometry: int,
        precision: str,
        backend: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.layout, self.precision, self.backend = layout, precision, backend
        self.table = nn.Parameter(
            torch.empty(layout.rows, 2).uniform_(-1e-4, 1e-4, generator=generator)
        )

        def weight(outputs: int, inputs: int) -> nn.Parameter:
            matrix = torch.empty(outputs, inputs)
            return nn.Parameter(nn.init.xavier_uniform_(matrix, generator=generator))

        self.density_layers = nn.ParameterList(
            [weight(hidden, layout.width), weight(1 + geometry, hidden)]
        )
        self.color_layers = nn.ParameterList(
            [weight(hidden, SH_WIDTH + geometry), weight(hidden, hidden), weight(3, hidden)]
        )
        self._active = layout.levels  # levels that are encoded and learnt
        self._schedule: Callable[[float], int] | None = None  # of the active levels

    def coarse_to_fine(self) -> None:
        """Learn the coarser half of the levels first, then one after the other, all from half of
        the budget on. Until then a level's features are 0."""
        levels = self.layout.levels
        self._schedule = lambda progress: min(levels, math.ceil(levels * (0.5 + progress)))
        self.advance(0.0)
        with torch.no_grad():
            self.table[self.layout.first(self._active).rows :] = 0

    @property
    def recordable(self) -> bool:
        return self._schedule is None

    def advance(self, progress: float) -> None:
        if self._schedule:
            self._active = self._schedule(progress)

    def load_shipped(self, weights: Mapping[str, Tensor]) -> None:
        super().load_shipped(weights)
        self._active = self.layout.levels

    def compile_networks(self) -> None:
        if self.precision == "fp16":
            raise ConfigError("compile=true: fp16 has kernels of its own; use precision=auto")
        self._layers = torch.compile(_mlp, dynamic=True)

    def plain(self) -> HashNetworks | None:
        density, color = tuple(self.density_layers), tuple(self.color_layers)
        return HashNetworks(self.table, self.layout, density, color)

    def why_not_whole(self) -> str:
        if self._layers or self.precision != "fp32" or self.plain() is None:
            return "compiled" if self._layers else self.precision
        weights = [*self.density_layers, *self.color_layers]
        return shading.why_not_whole(weights, self.table.device, self.backend)

    def facts(self) -> dict[str, Any]:
        named = {"density": self.density_layers, "color": self.color_layers}
        return {"networks": {name: self._taken(list(layers)) for name, layers in named.items()}}

    def _taken(self, weights: list[Tensor]) -> str:
        """Return how a network is computed when nothing else, such as whole rays, takes it."""
        if self._layers:
            return "compiled"
        reason = why_not_fused(weights, self.precision, self.table.device, self.backend)
        return f"layer by layer: {reason}" if reason else "fused"

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        if self._active == self.layout.levels:
            return hash_encode(positions, self.table, self.layout, self.backend, encoded)
        first = self.layout.first(self._active)
        known = None if encoded is None else encoded[:, : first.width]
        part = hash_encode(positions, self.table, first, self.backend, known)
        return functional.pad(part, (0, self.layout.width - first.width))

    def log_density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        output = self._network(encoded, self.density_layers)
        return split_head(output)

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        return density_head(self._network(encoded, self.density_layers), self.backend)

    @torch.no_grad()
    def look(self, encoded: Tensor) -> tuple[Tensor, Tensor | None]:
        # what takes a forward pass over again for its backward pass asks for no outputs but these
        again = encoded.device.type != "cpu" and self.precision == "bf16" and not self._layers
        outputs = self._network(encoded, self.density_layers)
        return density_head(outputs, self.backend)[0], outputs if again else None

    def density_from(self, encoded: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        return density_head(self._network(encoded, self.density_layers, known), self.backend)

    def encode_directions(self, directions: Tensor) -> Tensor:
        # on a GPU in the networks' type, which rounds them anyway: there are many more samples
        kind = None if directions.device.type == "cpu" else TYPES[self.precision]
        return spherical_harmonics(directions, self.backend, kind)

    def color_logits(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return self._color_outputs(geometry, directions).float()

    def color(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return sigmoid(self._color_outputs(geometry, directions), self.backend)

    def _color_outputs(self, geometry: Tensor, directions: Tensor) -> Tensor:
        inputs = torch.cat([directions.to(geometry.dtype), geometry], 1)
        return self._network(inputs, self.color_layers)

    def _network(self, x: Tensor, layers: nn.ParameterList, known: Tensor | None = None) -> Tensor:
        if self.precision == "fp16":
            return in_fp16(x, list(layers), self.backend)
        fused = x.device.type != "cpu" or self.precision == "fp32"
        if fused and not self._layers:
            return mlp(x, list(layers), self.precision, self.backend, known)
        with self._autocast(x.device):
            return (self._layers or _mlp)(self._padded(x), layers)[: len(x)]


class _GradientScale(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.scale, None


def in_fp16(x: Tensor, weights: list[Tensor], backend: str) -> Tensor:
    """Return a network's outputs (float32) computed in fp16, which has no room for the gradients
    of a mean over 10⁵ rays: inside, they are 2¹⁴ times as large."""

    def scaled(tensor: Tensor, scale: float) -> Tensor:
        return _GradientScale.apply(tensor.float(), scale)  # type: ignore[no-any-return, no-untyped-call]

    inputs = scaled(x, 1 / _FP16_SCALE)
    output = mlp(inputs, [scaled(w, 1 / _FP16_SCALE) for w in weights], "fp16", backend)
    return scaled(output, _FP16_SCALE)


def _mlp(x: Tensor, layers: nn.ParameterList) -> Tensor:
    """Apply bias-free layers with ReLU between them."""
    *hidden, last = layers
    for weight in hidden:
        x = functional.relu(functional.linear(x, weight), inplace=True)
    return functional.linear(x, last)
