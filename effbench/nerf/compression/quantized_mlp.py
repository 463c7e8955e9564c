"""The quantised form of a vanilla NeRF: its weights in half floats, or as int8 by neuron."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from torch import Tensor

from effbench.export.int8 import Clip, quantize_columns
from effbench.method import Maps
from effbench.nerf.compression.quantized import QuantizedForm
from effbench.nerf.fields.mlp import MLPField
from effbench.nerf.training.mlp_method import MLPMethod
from effbench.scene import Intrinsics

_SCALES = "_scales"  # behind the name of a weight


class QuantizedMLP(QuantizedForm):
    """An `MLPField`, pruned or not, whose weights are stored in fewer bits; biases stay in fp32.

    An int8 weight of neuron i stands for value·scale_i. Weights are turned back into floats for
    rendering, which is as fast as the parent's.
    """

    def __init__(self, parent: MLPMethod, precision: Literal["fp16", "int8"], clip: Clip) -> None:
        self._method, self._precision = parent, precision
        exact = {name: weight.detach().clone() for name, weight in self._weights()}
        self._stored: dict[str, Tensor] = {}
        for name, weight in exact.items():
            self._stored |= _stored(name, weight, precision, clip)
        self._use()
        off = sum(float((w - exact[name]).square().sum()) for name, w in self._weights())
        whole = sum(float(weight.square().sum()) for weight in exact.values())
        self._error = (off / whole) ** 0.5

    def _weights(self) -> list[tuple[str, Tensor]]:
        """Return the weights by their names in a state, which the method's field computes with."""
        field = cast(MLPField, self._method.field)
        named = field.named_parameters()
        return [(f"field.{name}", p.data) for name, p in named if name.endswith(".weight")]

    def _use(self) -> None:
        for name, weight in self._weights():
            weight.copy_(_restored(name, self._stored))

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        return self._method.render(pose, intrinsics)

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps | None:
        return self._method.render_maps(pose, intrinsics)

    def state(self) -> dict[str, Tensor]:
        return {**self._method.state(), **self._stored}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        device = self._method.device
        self._stored = {name: state[name].to(device) for name in self._stored}
        whole = {name: tensor for name, tensor in state.items() if not name.endswith(_SCALES)}
        restored = {name: _restored(name, self._stored) for name, _ in self._weights()}
        self._method.load_state({**whole, **restored})

    def parameters(self) -> Iterable[Tensor]:
        named = self._weights()
        weights = {weight.data_ptr() for _, weight in named}
        others = [p for p in self._method.parameters() if p.data_ptr() not in weights]
        return [*(self._stored[name] for name, _ in named), *others]

    def facts(self) -> dict[str, Any]:
        return {
            "quantized": f"weights of the network in {self._precision}",
            "weights_relative_error": self._error,
            "weights": "turned back into fp32 for rendering",
        }


def _stored(name: str, weight: Tensor, precision: str, clip: Clip) -> dict[str, Tensor]:
    """Return the tensors that ship in the place of a weight [outputs, inputs]."""
    if precision == "fp16":
        return {name: weight.half()}
    values, scales = quantize_columns(weight.t(), clip)
    return {name: values.t().contiguous(), name + _SCALES: scales}


def _restored(name: str, stored: Mapping[str, Tensor]) -> Tensor:
    """Return the weight, float32, that the stored tensors stand for."""
    values, scales = stored[name].float(), stored.get(name + _SCALES)
    return values if scales is None else values * scales[:, None]
