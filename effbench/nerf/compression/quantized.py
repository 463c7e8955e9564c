"""Quantised forms of trained methods: what is shipped, and how it renders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.export import quantize, to_onnx
from effbench.export.int8 import Clip
from effbench.export.model import OnnxModel
from effbench.method import Exportable, Maps, Method
from effbench.nerf.compression.table_quantization import QuantizedTable, quantize_table
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancySampler
from effbench.nerf.sampling.ray_renderer import HashEncoder, RayRenderer
from effbench.nerf.training.hash_method import HashMethod
from effbench.scene import Intrinsics

_TABLE, _SCALES = "field.table", "field.table_scales"
_ONNX = "onnx"


class QuantizedForm(ABC):
    """The part of `Method` that differs between hash tables and networks."""

    @abstractmethod
    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor: ...

    @abstractmethod
    def state(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def load_state(self, state: Mapping[str, Tensor]) -> None: ...

    @abstractmethod
    def parameters(self) -> Iterable[Tensor]: ...

    @abstractmethod
    def facts(self) -> dict[str, Any]: ...

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps | None:
        return None

    def exportable(self, intrinsics: Intrinsics) -> Exportable | None:
        return None

    def onnx(self) -> bytes | None:
        return None


class QuantizedHash(QuantizedForm):
    """A hash field whose table is stored in fewer bits; its small networks stay in fp32.

    The table is turned back into floats for rendering, which is as fast as the parent's.
    """

    def __init__(self, parent: HashMethod, precision: Literal["fp16", "int8"], clip: Clip) -> None:
        if not isinstance(parent.field, HashField):
            raise ConfigError(
                "quantized: a library of kernels lays the hash table out in its own way: run it "
                "with --backend auto"
            )
        self._method = parent
        self._precision: Literal["fp16", "int8"] = precision
        layout = self._field.layout
        exact = self._field.table.detach().clone()
        self._table = quantize_table(exact, layout, precision, clip)
        self._use(self._table)
        restored = self._field.table.detach()
        self._error = float((restored - exact).norm() / exact.norm())

    @property
    def _field(self) -> HashField:
        return cast(HashField, self._method.field)

    def _use(self, table: QuantizedTable) -> None:
        self._table = table
        self._field.table.data.copy_(table.dequantized(self._field.layout))

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        return self._method.render(pose, intrinsics)

    def render_maps(self, pose: Tensor, intrinsics: Intrinsics) -> Maps | None:
        return self._method.render_maps(pose, intrinsics)

    def state(self) -> dict[str, Tensor]:
        state = {**self._method.state(), _TABLE: self._table.values}
        if self._table.scales is not None:
            state[_SCALES] = self._table.scales
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        device = self._method.device
        scales = state.get(_SCALES)
        table = QuantizedTable(
            state[_TABLE].to(device), None if scales is None else scales.to(device)
        )
        whole = {key: tensor for key, tensor in state.items() if key != _SCALES}
        self._method.load_state({**whole, _TABLE: table.dequantized(self._field.layout)})
        self._use(table)

    def parameters(self) -> Iterable[Tensor]:
        table = self._field.table
        networks = [p for p in self._method.parameters() if p is not table]
        return [self._table.values, *networks]

    def facts(self) -> dict[str, Any]:
        return {
            "quantized": f"hash table in {self._precision}",
            "table_relative_error": self._error,
            "table": "turned back into fp32 for rendering",
        }

    def exportable(self, intrinsics: Intrinsics) -> Exportable | None:
        sampler = self._method.sampler
        if self._method.exportable(intrinsics) is None:
            return None
        assert isinstance(sampler, OccupancySampler)
        encoder = HashEncoder(self._table.values, self._field.layout, self._table.scales)
        module = RayRenderer(encoder, self._field, sampler, self._method.scene_background)
        return Exportable(module, takes="rays", precision=self._precision)


class QuantizedNetwork(QuantizedForm):
    """A network that renders a camera, as the ONNX model that ships.

    Raises ConfigError for a parent that has no such network, or where onnxruntime is missing.
    """

    def __init__(
        self,
        parent: Method,
        precision: Literal["fp16", "int8"],
        *,
        calibration: quantize.Calibration,
        calibration_views: int,
        per_channel: bool,
        keep_ends: bool,
    ) -> None:
        self._device = parent.context.device
        self._precision: Literal["fp16", "int8"] = precision
        scene = parent.context.scene
        whole = to_onnx.convert(parent)
        if OnnxModel(whole).info.takes != "camera":
            raise ConfigError(f"quantized: of={parent.name} has no network that renders a camera")
        if precision == "fp16":
            data = quantize.to_fp16(whole)
        else:
            data = quantize.to_int8(
                whole,
                quantize.calibration_poses(scene, calibration_views),
                per_channel=per_channel,
                calibration=calibration,
                keep_ends=keep_ends,
            )
        model = OnnxModel(data)
        check = vars(to_onnx.compare(model, parent, to_onnx.check_views(scene)))
        self._facts: dict[str, Any] = {"parent_onnx_bytes": len(whole), "against_parent": check}
        if precision == "int8":
            self._facts |= {"calibration_views": calibration_views}
        self._load(to_onnx.with_info(data, replace(model.info, check=check)))

    def _load(self, data: bytes) -> None:
        self._data = data
        self._model = OnnxModel(data)

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        if intrinsics != self._model.info.intrinsics:
            raise ConfigError(
                f"this ONNX model renders {self._model.info.intrinsics}, not {intrinsics}: use "
                "test images of one camera"
            )
        image = self._model.render(pose.cpu().numpy())
        return torch.from_numpy(image).to(self._device).clamp(0, 1)

    def state(self) -> dict[str, Tensor]:
        return {_ONNX: torch.frombuffer(bytearray(self._data), dtype=torch.uint8)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._load(state[_ONNX].cpu().numpy().tobytes())

    def parameters(self) -> Iterable[Tensor]:
        return [torch.from_numpy(w.copy()) for w in quantize.weights(self._data)]

    def facts(self) -> dict[str, Any]:
        arithmetic = "int8" if self._precision == "int8" else "fp32"
        return {
            "quantized": f"network in {self._precision}, arithmetic in {arithmetic}",
            "rendering": "by onnxruntime, from the model that ships",
            "model": "model.safetensors holds the ONNX file's bytes behind a header of its own",
            **self._facts,
        }

    def onnx(self) -> bytes | None:
        return self._data
