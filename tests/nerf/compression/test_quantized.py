"""Method `quantized`: nothing to train, smaller, and rendering what it ships."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from effbench.errors import ConfigError
from effbench.export import to_onnx
from effbench.export.model import OnnxModel
from effbench.method import Method
from effbench.planning import registry
from tests.exported import SMALL, camera_method, checkpoint, rays_method
from tests.nerf_scene import CAMERA, context, look_at_origin

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="needs the extra 'export'")

CLASS = registry.discover().method("quantized")
POSE = torch.from_numpy(look_at_origin(0.4))


def quantized(parent: Method, **params: Any) -> Method:
    settings = dataclasses.asdict(SMALL) if parent.name == "instant-ngp" else {}
    given = checkpoint(parent, settings)
    return CLASS(CLASS.Config(of=parent.name, **params), context(parents={"parent": given}))


def size(method: Method) -> int:
    return sum(tensor.nbytes for tensor in method.state().values())


@pytest.mark.parametrize(("precision", "share"), [("fp16", 2), ("int8", 4)])
def test_a_hash_table_is_smaller_by_its_bits(precision: str, share: int) -> None:
    parent = rays_method()
    method = quantized(parent, precision=precision)
    table = parent.state()["field.table"].nbytes
    scales = 4 * 2 * SMALL.levels if precision == "int8" else 0
    assert size(parent) - size(method) == table - table // share - scales
    error = (method.render(POSE, CAMERA) - parent.render(POSE, CAMERA)).abs()
    assert 0 < error.mean() < 0.02
    assert method.facts()["table_relative_error"] < (1e-3 if precision == "fp16" else 0.05)


def test_the_exported_hash_table_is_the_quantised_one() -> None:
    method = quantized(rays_method())
    data = to_onnx.convert(method)
    assert OnnxModel(data).info.precision == "int8"
    assert len(data) < len(to_onnx.convert(rays_method()))
    check = to_onnx.compare(OnnxModel(data), method, [0])
    assert check.max_error < SMALL.early_stop_eps
    with pytest.raises(ConfigError, match="quantised already"):
        to_onnx.convert(method, "fp16")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_network_renders_with_the_model_that_ships(precision: Any) -> None:
    parent = camera_method()
    method = quantized(parent, precision=precision, calibration_views=2)
    data = method.onnx()
    assert data is not None
    assert size(method) == len(data) < len(to_onnx.convert(parent))
    shipped = OnnxModel(method.state()["onnx"].numpy().tobytes())
    assert shipped.info.precision == precision
    assert torch.equal(method.render(POSE, CAMERA), torch.from_numpy(shipped.render(POSE.numpy())))
    assert (method.render(POSE, CAMERA) - parent.render(POSE, CAMERA)).abs().mean() < 0.05
    assert method.exported_with_cell
    # a model that a method renders with is compared with the parent in PyTorch, not with itself
    check = shipped.info.check
    expected = to_onnx.compare(shipped, parent, to_onnx.check_views(parent.context.scene))
    assert check == vars(expected) == method.facts()["against_parent"]
    assert check["mean_error"] > 0


def test_a_network_is_of_one_camera() -> None:
    method = quantized(camera_method(), precision="fp16")
    with pytest.raises(ConfigError, match="this ONNX model renders"):
        method.render(POSE, dataclasses.replace(CAMERA, width=8))


def test_it_does_not_train() -> None:
    assert not CLASS.trains
    with pytest.raises(NotImplementedError, match="nothing to train"):
        quantized(rays_method()).step(0.0)


def test_its_parent_has_the_parameters_that_are_asked_for() -> None:
    (need,) = CLASS.requires(CLASS.Config(parent=("lr=0.01", "levels=4"))).values()
    assert (need.method, need.params) == ("instant-ngp", {"lr": "0.01", "levels": "4"})
    with pytest.raises(ConfigError, match="cannot read 'lr': write key=v"):
        CLASS.Config(parent=("lr",))
