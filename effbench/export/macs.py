"""Multiply-accumulate operations of an ONNX graph, from the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from effbench.export.model import require

Shape = tuple[int | None, ...]
Sides = Sequence[int]


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
    names = (*node.input[:2], node.output[0])
    known = [_known(shapes.get(name, (None,))) for name in names]
    x, weight, output = known
    if x is None or weight is None or output is None:
        return None
    return _COUNTERS[node.op_type](x, weight, output)


def _known(shape: Shape) -> list[int] | None:
    sides = [side for side in shape if side is not None]
    return sides if len(sides) == len(shape) else None


def _conv(_: Sides, weight: Sides, output: Sides) -> int:
    # weight [C_out, C_in / groups, *kernel]: one product per weight of a channel and output value
    return math.prod(output) * math.prod(weight[1:])


def _conv_transpose(x: Sides, weight: Sides, _: Sides) -> int:
    # weight [C_in, C_out / groups, *kernel]: one product per weight of a channel and input value
    return math.prod(x) * math.prod(weight[1:])


def _matmul(a: Sides, _: Sides, output: Sides) -> int:
    return math.prod(output) * a[-1]


def _gemm(a: Sides, b: Sides, output: Sides) -> int:
    # [M, K] by [K, N], either of them stored transposed: MK · KN / MN = K²
    inner = math.isqrt(math.prod(a) * math.prod(b) // math.prod(output))
    return math.prod(output) * inner


_COUNTERS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "MatMul": _matmul, "Gemm": _gemm}


def _shape(value: Any) -> Shape:
    sides = value.type.tensor_type.shape.dim
    return tuple(side.dim_value if side.HasField("dim_value") else None for side in sides)
