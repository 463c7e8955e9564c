"""Post-training quantisation of ONNX models: int8 convolutions, or weights stored in half floats.

Tables of features that a graph looks up are stored in the same type, in int8 with a scale for
each feature. Int8 is static (Jacob et al. 2018): ranges of activations are found on a few cameras
beforehand, weights have a scale per output channel. The first and the last convolution stay in
fp32: they see the position encoding and make the colours, hold few of the weights and cost most of
the quality.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from effbench.export.int8 import quantize_columns
from effbench.export.model import METADATA_KEY, ModelInfo, Precision, require
from effbench.scene import Scene
from effbench.scene.cameras import sample_poses

Calibration = Literal["minmax", "percentile", "entropy"]

CALIBRATION_VIEWS = 16
_CALIBRATION_SEED = 0
_LAYERS = ["Conv", "ConvTranspose", "MatMul", "Gemm"]
_LOOKUPS = ["Gather"]
_STORED_BEHIND = ("DequantizeLinear", "Cast")  # what turns a stored weight into a layer's input
_LEAST = 1024  # elements: smaller tensors (biases, camera constants) are not worth a cast


def calibration_poses(scene: Scene, count: int = CALIBRATION_VIEWS) -> NDArray[np.float32]:
    """Return the cameras, [count, 3, 4], of pseudo views: drawn among the training cameras."""
    return sample_poses(scene, count, _CALIBRATION_SEED)


def to_int8(
    model: bytes,
    poses: NDArray[np.float32],
    *,
    per_channel: bool = True,
    calibration: Calibration = "minmax",
    keep_ends: bool = True,
) -> bytes:
    """Return a model that takes a pose with its convolutions in int8, as QDQ nodes, and its tables.

    poses: float32 [V, 3, 4], what the ranges of activations are found on. per_channel: a scale
    for each output channel of a weight; keep_ends: leave the first and last convolution in fp32.
    Raises ConfigError if onnxruntime is missing.
    """
    tool = require("onnxruntime.quantization")
    methods = tool.CalibrationMethod
    ranges = {
        "minmax": methods.MinMax,
        "percentile": methods.Percentile,
        "entropy": methods.Entropy,
    }
    proto = _inferred(model)
    layers = [node.name for node in proto.graph.node if node.op_type in _LAYERS]
    with tempfile.TemporaryDirectory(prefix="effbench-") as folder, _quiet():
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(proto.SerializeToString())
        tool.quantize_static(
            str(source),
            str(target),
            _Reader(poses),
            quant_format=tool.QuantFormat.QDQ,
            op_types_to_quantize=_LAYERS,
            per_channel=per_channel,
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            nodes_to_exclude=[layers[0], layers[-1]] if keep_ends else [],
            calibrate_method=ranges[calibration],
        )
        return _marked(_tables_in_int8(target.read_bytes()), "int8")


def to_fp16(model: bytes) -> bytes:
    """Return a model whose weights are stored in half floats and cast to fp32 when it is loaded.

    Arithmetic stays in fp32. Values beyond ±65504 keep their tensor in fp32.
    """
    onnx = require("onnx")
    proto = onnx.load_from_string(model)
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or int(np.prod(tensor.dims)) < _LEAST:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16")
        tensor.CopyFrom(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return _marked(proto.SerializeToString(), "fp16")


def _tables_in_int8(model: bytes) -> bytes:
    """Return the model with its tables of features in int8; what is looked up is scaled."""
    onnx = require("onnx")
    proto = onnx.load_from_string(model)
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    nodes = []
    for node in proto.graph.node:
        nodes.append(node)
        if (table := _table_of(node, stored)) is None:
            continue
        exact = torch.from_numpy(onnx.numpy_helper.to_array(table).copy())
        values, scales = quantize_columns(exact)
        names = [f"{table.name}.{part}" for part in ("int8", "scales", "entries")]
        for name, tensor in zip(names, (values, scales), strict=False):
            proto.graph.initializer.append(onnx.numpy_helper.from_array(tensor.numpy(), name))
        result = node.output[0]
        node.input[0], node.output[0] = names[0], names[2]
        # axis: the last, which every lookup keeps
        nodes.append(
            onnx.helper.make_node("DequantizeLinear", [names[2], names[1]], [result], axis=-1)
        )
        proto.graph.initializer.remove(table)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    data: bytes = proto.SerializeToString()
    return data


def _table_of(node: Any, stored: Mapping[str, Any]) -> Any | None:
    """Return the stored table [S, F] that a node looks up, if that is what it does."""
    if node.op_type not in _LOOKUPS or node.input[0] not in stored:
        return None
    table = stored[node.input[0]]
    whole = len(table.dims) == 2 and int(np.prod(table.dims)) >= _LEAST
    return table if whole and table.data_type == require("onnx").TensorProto.FLOAT else None


class _Reader:
    """Gives the calibration one camera after the other."""

    def __init__(self, poses: NDArray[np.float32]) -> None:
        self._poses = iter(poses)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        pose = next(self._poses, None)
        return None if pose is None else {"pose": np.ascontiguousarray(pose)}

    def __iter__(self) -> Iterator[dict[str, NDArray[np.float32]]]:
        return iter(self.get_next, None)


def _inferred(model: bytes) -> Any:
    """Return the graph with shapes, and a name for every node, to exclude some by name."""
    proto = require("onnx.shape_inference").infer_shapes(require("onnx").load_from_string(model))
    for index, node in enumerate(proto.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return proto


def _marked(model: bytes, precision: Precision) -> bytes:
    """Return the model with its precision in what it says of itself."""
    onnx = require("onnx")
    proto = onnx.load_from_string(model)
    for entry in proto.metadata_props:
        if entry.key == METADATA_KEY:
            info = replace(ModelInfo.from_json(entry.value), precision=precision)
            entry.value = info.to_json()
    data: bytes = proto.SerializeToString()
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice, given through the root logger, out of a cell's log."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def weights(model: bytes) -> Sequence[NDArray[Any]]:
    """Return what the model's layers learnt, as it is stored: weights and biases, each once.

    Tables of features come first. Neither the scales of quantisation nor constants of the camera
    are among them.
    """
    onnx = require("onnx")
    graph = onnx.load_from_string(model).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    sources = {n.output[0]: n.input[0] for n in graph.node if n.op_type in _STORED_BEHIND}
    read = [name for n in graph.node if n.op_type in _LAYERS for name in n.input[1:]]
    looked_up = [n.input[0] for n in graph.node if n.op_type in _LOOKUPS]
    stored = dict.fromkeys(sources.get(name, name) for name in (*looked_up, *read))
    tables = {sources.get(name, name) for name in looked_up}
    learnt = [tensors[name] for name in stored if name in tensors]
    return [
        onnx.numpy_helper.to_array(tensor)
        for tensor in learnt
        if tensor.name not in tables or len(tensor.dims) == 2  # others are constants' shapes
    ]
