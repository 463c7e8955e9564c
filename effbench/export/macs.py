"""Multiply-accumulate operations of an ONNX graph, from the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from effbench.export.model import require

Shape = tuple[int | None, ...]


def count_macs(model: bytes) -> int | None:
    """Return the multiply-accumulate operations of one run: products of convolutions, transposed
    convolutions and matrix products. None if a shape depends on the input's.

    A transposed convolution multiplies each input pixel by its whole kernel; what its padding
    crops away is computed too. Everything else (activations, encodings) is not counted.
    """
    onnx = require("onnx")
    graph = require("onnx.shape_inference").infer_shapes(onnx.load_from_string(model)).graph
    shapes = {v.name: _shape(v) for v in (*graph.input, *graph.value_info, *graph.output)}
    shapes |= {t.name: tuple(t.dims) for t in graph.initializer}
    counts = [_macs(node, shapes) for node in graph.node if node.op_type in _COUNTERS]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _macs(node: Any, shapes: dict[str, Shape]) -> int | None:
    inputs = [shapes.get(name, (None,)) for name in node.input[:2]]
    output = shapes.get(node.output[0], (None,))
    if any(side is None for shape in (*inputs, output) for side in shape):
        return None
    return _COUNTERS[node.op_type](inputs[0], inputs[1], output)


def _conv(_: Sequence[Any], weight: Sequence[Any], output: Sequence[Any]) -> int:
    # weight [C_out, C_in / groups, *kernel]: one product per weight of a channel and output value
    return math.prod(output) * math.prod(weight[1:])


def _conv_transpose(x: Sequence[Any], weight: Sequence[Any], _: Sequence[Any]) -> int:
    # weight [C_in, C_out / groups, *kernel]: one product per weight of a channel and input value
    return math.prod(x) * math.prod(weight[1:])


def _matmul(a: Sequence[Any], _: Sequence[Any], output: Sequence[Any]) -> int:
    return math.prod(output) * int(a[-1])


def _gemm(a: Sequence[Any], b: Sequence[Any], output: Sequence[Any]) -> int:
    # [M, K] by [K, N], either of them stored transposed: MK · KN / MN = K²
    inner = math.isqrt(math.prod(a) * math.prod(b) // math.prod(output))
    return math.prod(output) * inner


_COUNTERS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "MatMul": _matmul, "Gemm": _gemm}


def _shape(value: Any) -> Shape:
    sides = value.type.tensor_type.shape.dim
    return tuple(side.dim_value if side.HasField("dim_value") else None for side in sides)
