"""Export to ONNX: what a file says, that it renders what the method renders, how it is measured."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from effbench.errors import ConfigError, EffbenchError
from effbench.export import macs, to_onnx
from effbench.export.model import ModelInfo, OnnxModel
from effbench.export.profile import profile
from effbench.export.to_onnx import export
from effbench.method import Exportable
from effbench.nerf.training.hash_method import HashMethod
from tests.exported import SHAPE, SMALL, camera_method, rays_method
from tests.nerf_scene import CAMERA, ball, look_at_origin

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
pytest.importorskip("onnxscript", reason="needs the extra 'export'")


@pytest.fixture
def method() -> HashMethod:
    return rays_method()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a hash field, which takes rays."""
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(rays_method(), path)
    return path


@pytest.fixture(scope="module")
def light_field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a light field, which takes a camera."""
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(camera_method(), path)
    return path


def test_a_file_renders_what_the_method_renders(method: HashMethod, exported: Path) -> None:
    model = OnnxModel(exported)
    pose = look_at_origin(0.4)
    image = model.render(pose)
    assert image.shape == (16, 16, 3)
    expected = method.render(torch.from_numpy(pose), CAMERA).numpy()
    assert np.abs(image - expected).max() < SMALL.early_stop_eps
    assert image.std() > 0.05


def test_a_light_field_goes_from_the_camera_to_the_image(light_field: Path) -> None:
    model, method = OnnxModel(light_field), camera_method()
    for azimuth in (0.0, 2.0):
        pose = look_at_origin(azimuth)
        expected = method.render(torch.from_numpy(pose), CAMERA).numpy()
        assert expected.std() > 0.05
        np.testing.assert_allclose(model.render(pose), expected, atol=1e-5)
    assert model.info.check["max_error"] < 1e-5


def test_batch_norm_is_folded_and_gelu_is_exact(light_field: Path) -> None:
    import onnx

    operations = [node.op_type for node in onnx.load(light_field).graph.node]
    assert "BatchNormalization" not in operations
    gelus = 1 + len(SHAPE.inner) + sum(len(stage.inner) for stage in SHAPE.stages)
    assert operations.count("Erf") + operations.count("Gelu") == gelus
    assert "Tanh" not in operations, "not the approximation"


def test_a_file_says_what_it_renders(exported: Path) -> None:
    info = OnnxModel(exported).info
    assert (info.method, info.scene, info.takes) == ("instant-ngp", "test/ball", "rays")
    assert info.intrinsics == CAMERA
    assert info.params["levels"] == SMALL.levels
    assert 0 < info.check["mean_error"] <= info.check["max_error"] < SMALL.early_stop_eps
    assert info.check["views"] == 4


def test_a_file_is_documented_and_holds_no_paths(exported: Path) -> None:
    import onnx

    proto = onnx.load(exported)
    onnx.checker.check_model(proto)
    assert "origins, directions: float32 [R, 3]" in proto.doc_string
    assert [i.name for i in proto.graph.input] == ["origins", "directions"]
    assert str(Path(to_onnx.__file__).parent).encode() not in exported.read_bytes()


def test_information_survives_json(exported: Path) -> None:
    info = OnnxModel(exported).info
    again = ModelInfo.from_json(info.to_json())
    assert json.loads(again.to_json()) == json.loads(info.to_json())
    assert again.intrinsics == CAMERA


def test_an_orbit_passes_the_training_cameras() -> None:
    orbit = to_onnx.orbit_of(ball())
    assert orbit.radius == pytest.approx(4)
    assert orbit.elevation == pytest.approx((0, 0), abs=1e-6)
    for azimuth in (0.0, 1.0, 4.0):
        np.testing.assert_allclose(orbit.pose(azimuth, 0.0), look_at_origin(azimuth), atol=1e-6)
    raised = orbit.pose(0.5, 0.6)
    np.testing.assert_allclose(raised[:, :3].T @ raised[:, :3], np.eye(3), atol=1e-6)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_a_method_is_compared_with_convolutions_in_float32(
    method: HashMethod, exported: Path, monkeypatch: pytest.MonkeyPatch, before: bool, fails: bool
) -> None:
    seen: list[bool] = []

    def render(*_: Any) -> torch.Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        if fails:
            raise EffbenchError("no room")
        return torch.zeros(16, 16, 3)

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
    monkeypatch.setattr(method, "render", render)
    expected: AbstractContextManager[object] = nullcontext()
    if fails:
        expected = pytest.raises(EffbenchError, match="no room")
    with expected:
        to_onnx.compare(OnnxModel(exported), method, [0])
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 is before


def test_what_cannot_be_exported_is_told(method: HashMethod, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run method 'quantized' with of=instant-ngp"):
        export(method, tmp_path / "x.onnx", "int8")
    with pytest.raises(EffbenchError, match=r"none\.onnx: no such file"):
        OnnxModel(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(EffbenchError, match=r"broken\.onnx: is no model"):
        OnnxModel(tmp_path / "broken.onnx")
    foreign = to_onnx.trace(Exportable(Picture(), "camera"))
    with pytest.raises(EffbenchError, match="does not say what it renders"):
        OnnxModel(foreign)
    assert not (tmp_path / "x.onnx").exists()


class Picture(nn.Module):
    """A pose to a 4×4 image through one layer of each kind that is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 2 * 3 * 5)
        self.up = nn.ConvTranspose2d(2, 4, kernel_size=4, stride=2, padding=1)
        self.conv = nn.Conv2d(4, 3, kernel_size=3)

    def forward(self, pose: torch.Tensor) -> torch.Tensor:
        x = self.linear(pose.reshape(1, 12)).reshape(1, 2, 3, 5)
        return self.conv(self.up(x))[0].permute(1, 2, 0)


def test_macs_are_those_of_the_layers() -> None:
    data = to_onnx.trace(Exportable(Picture(), "camera"))
    linear = 12 * 30
    up = (2 * 3 * 5) * 4 * 16  # each input value meets 4 kernels of 4×4
    conv = (3 * 4 * 8) * 4 * 9  # 6×10 pixels become 4×8, each of 3 channels sees 4 patches of 3×3
    assert macs.count_macs(data) == linear + up + conv


def test_macs_that_depend_on_the_input_are_not_counted(exported: Path) -> None:
    assert macs.count_macs(exported.read_bytes()) is None


def test_macs_of_a_light_field_are_those_of_its_layers(light_field: Path) -> None:
    rays = 8 * 8
    head = rays * SHAPE.channels * 32
    body = len(SHAPE.inner) * rays * 2 * 32 * 32
    up = rays * 32 * 16 * 4 * 4
    fine = 16 * 16 * 2 * 16 * 16
    tail = 16 * 16 * 16 * 3
    assert macs.count_macs(light_field.read_bytes()) == head + body + up + fine + tail


def test_a_profile_is_of_a_fresh_process(exported: Path) -> None:
    found = profile(exported, seconds=0.1, threads=1)
    assert found.frames >= 3
    assert 0 < found.latency_ms <= found.latency_p95_ms
    assert found.export_fps == pytest.approx(1e3 / found.latency_ms)
    assert found.onnx_bytes == exported.stat().st_size
    assert 0 < found.model_ram_mb < found.peak_ram_mb < 400, "torch is not in that process"
    assert found.threads == 1
    assert found.macs is None


def test_a_model_that_cannot_run_is_named(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(EffbenchError, match="no such file"):
        profile(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(exported.read_bytes()[:100])
    with pytest.raises(EffbenchError, match=r"broken\.onnx: cannot be profiled: .*no model"):
        profile(tmp_path / "broken.onnx")


def test_a_model_that_takes_a_camera_is_given_the_pose(exported: Path) -> None:
    module = Picture()
    data = to_onnx.trace(Exportable(module, "camera"))
    info = replace(OnnxModel(exported).info, takes="camera")
    image = OnnxModel(to_onnx.with_info(data, info)).render(look_at_origin(0.7))
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(look_at_origin(0.7))).numpy()
    np.testing.assert_allclose(image, expected, atol=1e-5)
