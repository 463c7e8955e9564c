"""Quantised ONNX models: smaller, close to the original, and quantised where they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from effbench.export import quantize, to_onnx
from effbench.export.model import OnnxModel
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.lightfield.export import exportable, fold_batch_norm
from effbench.nerf.lightfield.features import PointFeatures
from effbench.nerf.lightfield.network import NeLFShape, build
from effbench.nerf.lightfield.rays import LightField, RayEncoder
from tests.exported import camera_method
from tests.nerf_scene import CAMERA, ball, look_at_origin

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
for package in ("onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="needs the extra 'export'")


@pytest.fixture(scope="module")
def whole() -> bytes:
    return to_onnx.convert(camera_method())


@pytest.fixture(scope="module")
def poses() -> Any:
    return quantize.calibration_poses(ball(), 4)


def image(model: bytes) -> np.ndarray:
    return OnnxModel(model).render(look_at_origin(0.3))


def int8_layers(model: bytes) -> list[bool]:
    """Return, per convolution, whether its weight comes from an int8 tensor."""
    graph = onnx.load_from_string(model).graph
    types = {t.name: t.data_type for t in graph.initializer}
    dequantized = {
        node.output[0]: types.get(node.input[0])
        for node in graph.node
        if node.op_type == "DequantizeLinear"
    }
    layers = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return [dequantized.get(node.input[1]) == onnx.TensorProto.INT8 for node in layers]


def test_half_floats_halve_the_file_and_hardly_change_the_image(whole: bytes) -> None:
    half = quantize.to_fp16(whole)
    onnx.checker.check_model(onnx.load_from_string(half))
    assert OnnxModel(half).info.precision == "fp16"
    weights = sum(w.nbytes for w in quantize.weights(whole))
    assert len(whole) - len(half) > 0.4 * weights
    error = np.abs(image(half) - image(whole))
    assert 0 < error.max() < 0.01


def test_what_half_floats_cannot_hold_stays() -> None:
    large = np.full(2000, 1e5, np.float32)
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "large"], ["out"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", floats, [1, 2000])],
        [onnx.helper.make_tensor_value_info("out", floats, [1, 1])],
        [onnx.numpy_helper.from_array(large[:, None], "large")],
    )
    model = onnx.helper.make_model(graph)
    (kept,) = quantize.weights(quantize.to_fp16(model.SerializeToString()))
    assert kept.dtype == np.float32


def test_weights_are_those_of_the_layers_however_they_are_stored(whole: bytes, poses: Any) -> None:
    network = fold_batch_norm(camera_method().network)
    learnt = sorted(p.numel() for p in network.parameters())
    forms = {"fp32": whole, "fp16": quantize.to_fp16(whole), "int8": quantize.to_int8(whole, poses)}
    for form in forms.values():
        assert sorted(weight.size for weight in quantize.weights(form)) == learnt
    assert {w.dtype for w in quantize.weights(forms["int8"]) if w.ndim > 1} == {
        np.dtype(np.int8),
        np.dtype(np.float32),  # of the first and the last convolution
    }


@pytest.mark.parametrize("calibration", ["minmax", "percentile", "entropy"])
def test_int8_is_close_and_keeps_the_ends(whole: bytes, poses: Any, calibration: Any) -> None:
    quantized = quantize.to_int8(whole, poses, calibration=calibration)
    assert OnnxModel(quantized).info.precision == "int8"
    layers = int8_layers(quantized)
    assert layers == [False, *[True] * (len(layers) - 2), False]
    error = np.abs(image(quantized) - image(whole))
    assert 1e-4 < error.mean() < 0.05


def test_int8_can_be_everywhere(whole: bytes, poses: Any) -> None:
    assert all(int8_layers(quantize.to_int8(whole, poses, keep_ends=False)))


def test_a_scale_per_channel_is_closer_than_one_per_layer(whole: bytes, poses: Any) -> None:
    exact = image(whole)
    by_channel, by_layer = (
        np.abs(image(quantize.to_int8(whole, poses, per_channel=each)) - exact).mean()
        for each in (True, False)
    )
    assert by_channel < by_layer * 1.2


def test_calibration_cameras_are_the_same_every_time() -> None:
    first, again = (quantize.calibration_poses(ball(), 3) for _ in range(2))
    assert first.shape == (3, 3, 4)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(np.linalg.norm(first[:, :, 3], axis=1), 4, rtol=1e-5)


def test_tables_are_stored_in_fewer_bits_and_counted() -> None:
    import onnxruntime

    layout = HashLayout(levels=2, log2_table=9, base=4, finest=16)
    shape = NeLFShape.regular(points=3, frequencies=1, width=8, depth=6, sr_widths=(), table=layout)
    network = build(shape, 0).eval()
    assert isinstance(network.features, PointFeatures)
    torch.nn.init.normal_(network.features.table, generator=torch.Generator().manual_seed(0))
    field = LightField(RayEncoder(shape, ball(), CAMERA, "box"), network)
    exact = to_onnx.trace(exportable(field))
    forms = {
        "fp32": exact,
        "fp16": quantize.to_fp16(exact),
        "int8": quantize.to_int8(exact, quantize.calibration_poses(ball(), 4)),
    }
    images = {}
    for precision, model in forms.items():
        onnx.checker.check_model(onnx.load_from_string(model))
        table = quantize.weights(model)[0]
        assert table.shape == (layout.rows, 2)
        assert table.dtype == {"fp32": "f4", "fp16": "f2", "int8": "i1"}[precision]
        session = onnxruntime.InferenceSession(model)
        images[precision] = session.run(None, {"pose": look_at_origin(0.3)})[0]
    assert images["fp32"].std() > 0.01
    assert 0 < np.abs(images["fp16"] - images["fp32"]).max() < 0.01
    assert 0 < np.abs(images["int8"] - images["fp32"]).max() < 0.05
