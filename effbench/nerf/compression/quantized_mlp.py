"""The vanilla NeRF, pruned or not, with its weights in fewer bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from effbench.export.int8 import Clip, quantize_columns
from effbench.method import Maps
from effbench.nerf.compression.quantized import QuantizedForm
from effbench.nerf.training.mlp_method import MLPMethod
from effbench.scene import Intrinsics

_FIELD, _WEIGHT, _SCALES = "field.", ".weight", ".weight_scales"


class QuantizedMLP(QuantizedForm):
    """A vanilla NeRF whose weights are stored in half floats, or as int8 with a scale per neuron;
    its biases stay in fp32.

    Weights are turned back into floats for rendering, which is as fast as the parent's.
    """

    def __init__(self, parent: MLPMethod, precision: Literal["fp16", "int8"], clip: Clip) -> None:
        self._method, self._precision = parent, precision
        # clones: the parent's own tensors are overwritten by what is turned back
        exact = {key: value.clone() for key, value in parent.state().items()}
        self._state = {
            name: tensor
            for key, value in exact.items()
            for name, tensor in _quantized(key, value, precision, clip).items()
        }
        self._use()
        restored = parent.state()
        of = [key for key in exact if key.startswith(_FIELD) and key.endswith(_WEIGHT)]
        wrong = sum(float((restored[key] - exact[key]).square().sum()) for key in of)
        self._error = (wrong / sum(float(exact[key].square().sum()) for key in of)) ** 0.5

    def _use(self) -> None:
        whole = {
            key: _restored(value, self._state.get(key.removesuffix(_WEIGHT) + _SCALES))
            for key, value in self._state.items()
            if not key.endswith(_SCALES)
        }
        self._method.load_state(whole)

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        return self._method.render(pose, intrinsics)

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps | None:
        return self._method.render_maps(pose, intrinsics)

    def state(self) -> dict[str, Tensor]:
        return dict(self._state)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._state = {key: value.to(self._method.device) for key, value in state.items()}
        self._use()

    def parameters(self) -> Iterable[Tensor]:
        kept = (_WEIGHT, ".bias")
        return [value for key, value in self._state.items() if key.endswith(kept)]

    def facts(self) -> dict[str, Any]:
        return {
            "quantized": f"weights in {self._precision}",
            "weights_relative_error": self._error,
            "weights": "turned back into fp32 for rendering",
        }


def _quantized(
    key: str, value: Tensor, precision: Literal["fp16", "int8"], clip: Clip
) -> dict[str, Tensor]:
    """Return what is stored of a tensor: of a weight [n, inputs] the rows in fewer bits."""
    if not (key.startswith(_FIELD) and key.endswith(_WEIGHT)):
        return {key: value}
    if precision == "fp16":
        return {key: value.half()}
    columns, scales = quantize_columns(value.t(), clip)
    return {key: columns.t().contiguous(), key.removesuffix(_WEIGHT) + _SCALES: scales}


def _restored(value: Tensor, scales: Tensor | None) -> Tensor:
    if scales is not None and value.dtype == torch.int8:
        return value.float() * scales[:, None]
    return value.float() if value.dtype == torch.float16 else value
