"""Post-training quantisation: a trained method made smaller, without training it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from effbench.errors import ConfigError
from effbench.method import Context, Exportable, Maps, Method, Requirement
from effbench.nerf.compression.quantized import QuantizedForm, QuantizedHash, QuantizedNetwork
from effbench.nerf.compression.quantized_mlp import QuantizedMLP
from effbench.nerf.training.hash_method import HashMethod
from effbench.nerf.training.mlp_method import MLPMethod
from effbench.scene import Intrinsics


@dataclass(frozen=True)
class QuantizedConfig:
    of: str = "instant-ngp"  # the method that is quantised
    parent: tuple[str, ...] = ()  # its parameters that are not its defaults: lr=0.01:levels=4
    precision: Literal["fp16", "int8"] = "int8"  # of its hash table, or of its network
    clip: Literal["mse", "max"] = "mse"  # range of int8 tables, MLPs: least squared error, or all
    calibration: Literal["minmax", "percentile", "entropy"] = "minmax"  # ranges of activations
    calibration_views: int = 16  # pseudo views that they are found on
    per_channel: bool = True  # a scale per output channel of an int8 network's weights
    keep_ends: bool = True  # leave the first and last convolution of an int8 network in fp32

    def __post_init__(self) -> None:
        if self.calibration_views < 1:
            raise ConfigError("quantized.calibration_views must be at least 1")
        parameters(self.parent)


class Quantized(Method):
    """A trained method in fewer bits: half or 8-bit hash tables and MLPs, or an int8 network run by
    ONNX Runtime.

    Hash tables and the weights of a vanilla NeRF are turned back into floats when they are loaded;
    a light field's network renders with the very ONNX model that it ships.
    """

    name = "quantized"
    Config = QuantizedConfig
    config: QuantizedConfig
    trains = False

    @classmethod
    def requires(cls, config: Any) -> dict[str, Requirement]:
        return {"parent": Requirement(config.of, parameters(config.parent))}

    def __init__(self, config: QuantizedConfig, context: Context) -> None:
        super().__init__(config, context)
        parent = context.parents["parent"].restore(context)
        self.form: QuantizedForm
        if isinstance(parent, HashMethod):
            self.form = QuantizedHash(parent, config.precision, config.clip)
        elif isinstance(parent, MLPMethod):
            self.form = QuantizedMLP(parent, config.precision, config.clip)
        else:
            self.form = QuantizedNetwork(
                parent,
                config.precision,
                calibration=config.calibration,
                calibration_views=config.calibration_views,
                per_channel=config.per_channel,
                keep_ends=config.keep_ends,
            )
            self.exported_with_cell = True

    def step(self, progress: float) -> torch.Tensor:
        raise NotImplementedError("a quantised method has nothing to train")

    def render(self, pose: torch.Tensor, intrinsics: Intrinsics) -> torch.Tensor:
        return self.form.render(pose, intrinsics)

    def render_maps(self, pose: torch.Tensor, intrinsics: Intrinsics) -> Maps | None:
        return self.form.render_maps(pose, intrinsics)

    def state(self) -> dict[str, torch.Tensor]:
        return self.form.state()

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        self.form.load_state(state)

    def parameters(self) -> Iterable[torch.Tensor]:
        return self.form.parameters()

    def facts(self) -> dict[str, Any]:
        return {"parent": self.context.parents["parent"].method, **self.form.facts()}

    def exportable(self, intrinsics: Intrinsics) -> Exportable | None:
        return self.form.exportable(intrinsics)

    def onnx(self) -> bytes | None:
        return self.form.onnx()


def parameters(settings: Iterable[str]) -> dict[str, str]:
    """Return key=value settings by key. Raises ConfigError for other text."""
    pairs = [setting.partition("=") for setting in settings]
    for key, equals, value in pairs:
        if not (key.isidentifier() and equals and value):
            raise ConfigError(f"quantized.parent: cannot read '{key}{equals}{value}': write key=v")
    return {key: value for key, _, value in pairs}
