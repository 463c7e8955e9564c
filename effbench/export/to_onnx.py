"""A method to an ONNX file: one self-contained file that says what it renders, checked twice."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import effbench
from effbench import files
from effbench.errors import ConfigError, EffbenchError
from effbench.export import quantize
from effbench.export.model import METADATA_KEY, ModelInfo, OnnxModel, Orbit, Precision, require
from effbench.method import Exportable, Method, config
from effbench.scene import Scene
from effbench.scene.cameras import evenly_spaced

OPSET = 18  # what onnxruntime-web and mobile runtimes have; GELU becomes its exact form by erf
CHECK_VIEWS = 4
_EXAMPLE_RAYS = 64
_DOCS = {
    "camera": "Input pose: float32 [3, 4], camera to world (OpenGL axes: x right, y up, looking "
    "along -z), world units. Output image: float32 [H, W, 3], sRGB in [0, 1], over the scene's "
    "background. Intrinsics, near and far are constants of the graph.",
    "rays": "Inputs origins, directions: float32 [R, 3], world units, directions of unit length. "
    "Output color: float32 [R, 3], sRGB in [0, 1], over the scene's background. Near, far and the "
    "scene's box are constants of the graph.",
}


@dataclass(frozen=True)
class Check:
    """How far an exported model is from the method's own render: absolute differences of values
    in [0, 1] over `views` test views."""

    max_error: float
    mean_error: float
    views: int


def export(
    method: Method, path: Path, precision: Precision = "fp32", views: int = CHECK_VIEWS
) -> ModelInfo:
    """Write a method as ONNX to `path`, compare it with the method on test views, and return what
    the file says of itself, the check included.

    precision: of the stored weights: "fp32"; "fp16", with arithmetic in fp32; "int8", calibrated
    on pseudo views. A method that renders with an ONNX model ships that one, as it is.
    Raises ConfigError if the method or its input has no such form, or a package is missing;
    EffbenchError if the exporter fails or the file cannot be written.
    """
    scene = method.context.scene
    data = method.onnx()
    if data is None:
        data = convert(method, precision)
    elif precision != "fp32":
        raise ConfigError(f"a cell of {method.name} is quantised already: leave out --{precision}")
    model = OnnxModel(data)
    # what a method renders with has been compared with its parent: with itself it agrees
    check = model.info.check or vars(compare(model, method, check_views(scene, views)))
    params = config.to_dict(method.config)
    info = replace(model.info, method=method.name, params=params, check=check)
    files.write_bytes(path, with_info(data, info))
    return info


def as_text(path: Path, info: ModelInfo) -> str:
    """Return what was written, as lines that people read."""
    inputs = {"camera": "pose [3, 4] → image [H, W, 3]", "rays": "rays [R, 3] → color [R, 3]"}
    camera, check = info.intrinsics, info.check
    lines = {
        "model": f"{info.method} on {info.scene}, {camera.width}×{camera.height}",
        "renders": f"{inputs[info.takes]}, weights in {info.precision}",
        "size": f"{path.stat().st_size / 1e6:.3f} MB",
        "error": f"max {check['max_error']:.2g}, mean {check['mean_error']:.2g} against PyTorch, "
        f"of values in [0, 1], on {check['views']} test views",
    }
    return "\n".join([str(path), *(f"  {name:<9} {text}" for name, text in lines.items())])


def convert(method: Method, precision: Precision = "fp32") -> bytes:
    """Return a method as an ONNX model for its scene's test camera, the first test view's where
    they differ. Raises as `export` does."""
    scene = method.context.scene
    exportable = method.exportable(scene.test.cameras[0])
    if exportable is None:
        raise ConfigError(
            f"method '{method.name}' cannot be exported: it has no network that renders a camera "
            "or rays on its own"
        )
    if precision != "fp32" and exportable.precision != "fp32":
        raise ConfigError(f"a cell of {method.name} is quantised already: leave out --{precision}")
    if precision != "fp32" and exportable.takes == "rays":
        raise ConfigError(
            f"{method.name} is not quantised at export: run method 'quantized' with "
            f"of={method.name} and export its cell"
        )
    info = describe(method, exportable)
    data = with_info(trace(exportable), info)
    if precision == "fp16":
        return quantize.to_fp16(data)
    if precision == "int8":
        return quantize.to_int8(data, quantize.calibration_poses(scene))
    return data


def trace(exportable: Exportable) -> bytes:
    """Return a module as a serialised ONNX graph. Raises EffbenchError when that fails."""
    require("onnxscript")
    module = copy.deepcopy(exportable.module).eval().cpu()  # the method keeps its own as it is
    names, example, dynamic = ["pose"], (torch.eye(4)[:3].contiguous(),), None
    outputs = ["image"]
    if exportable.takes == "rays":
        names, outputs = ["origins", "directions"], ["color"]
        ahead = torch.tensor([0.0, 0.0, -1.0]).expand(_EXAMPLE_RAYS, 3).contiguous()
        example = (torch.zeros(_EXAMPLE_RAYS, 3), ahead)  # type: ignore[assignment]
        rays = torch.export.Dim("rays", min=1)
        dynamic = ({0: rays}, {0: rays})
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                module,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=names,
                output_names=outputs,
                dynamic_shapes=dynamic,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter's own classes, one for each of its stages
        text = str(error).strip().splitlines() or ["no message"]
        raise EffbenchError(f"torch.onnx.export failed: {text[0]}") from error
    assert program is not None
    proto = program.model_proto
    for part in (*proto.graph.node, *proto.graph.initializer, *proto.graph.input):
        del part.metadata_props[:]  # the exporter's stack traces: paths, and half of a small file
    del proto.graph.value_info[:]  # follows from the rest
    data: bytes = proto.SerializeToString()
    return data


def describe(method: Method, exportable: Exportable) -> ModelInfo:
    """Return what a file of this method says of itself, without a check."""
    scene = method.context.scene
    return ModelInfo(
        version=effbench.__version__,
        method=method.name,
        params=config.to_dict(method.config),
        scene=scene.name,
        takes=exportable.takes,
        precision=exportable.precision,
        intrinsics=scene.test.cameras[0],
        near=float(scene.near),
        far=float(scene.far),
        box=np.asarray(scene.box, float).tolist(),
        background=list(map(float, scene.background)),
        orbit=orbit_of(scene),
    )


def with_info(data: bytes, info: ModelInfo) -> bytes:
    """Return the model with `info` in its metadata and its inputs documented."""
    onnx = require("onnx")
    proto = onnx.load_from_string(data)
    proto.producer_name, proto.producer_version = "effbench", effbench.__version__
    proto.doc_string = f"{info.method} on {info.scene}. {_DOCS[info.takes]}"
    onnx.helper.set_model_props(proto, {METADATA_KEY: info.to_json()})
    serialised: bytes = proto.SerializeToString()
    return serialised


def check_views(scene: Scene, count: int = CHECK_VIEWS) -> list[int]:
    """Return the test views that a model is compared on: evenly spaced ones of the first's camera,
    for which it is made."""
    cameras = scene.test.cameras
    alike = [view for view, camera in enumerate(cameras) if camera == cameras[0]]
    return [alike[place] for place in evenly_spaced(len(alike), count)]


def compare(model: OnnxModel, method: Method, views: Sequence[int]) -> Check:
    """Return the differences between a model's and the method's images of some test views."""
    test = method.context.scene.test
    largest, means = 0.0, []
    for view in views:
        pose = torch.from_numpy(test.poses[view]).to(method.context.device)
        with torch.no_grad(), exact_convolutions():
            expected = method.render(pose, test.cameras[view]).cpu().numpy()
        error = np.abs(model.render(test.poses[view]) - expected)
        largest = max(largest, float(error.max()))
        means.append(float(error.mean()))
    return Check(largest, float(np.mean(means)), len(views))


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let cuDNN convolve in float32, as the exported model does: by default it rounds factors to
    TF32, whose 10 bits would show as an error of the export."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def orbit_of(scene: Scene) -> Orbit:
    """Return the sphere on which the training cameras stand around the centre of the box."""
    center = np.asarray(scene.box, np.float64).mean(0)
    up = scene.train.poses[:, :, 1].astype(np.float64).mean(0)
    length = np.linalg.norm(up)
    up = up / length if length > 1e-3 else np.array([0.0, 0.0, 1.0])
    # the world's axis that is least upright, made level, so that an upright scene keeps its x
    x = np.eye(3)[int(np.argmin(np.abs(up)))]
    x = x - up * (x @ up)
    x /= np.linalg.norm(x)
    offsets = scene.train.poses[:, :, 3].astype(np.float64) - center
    distances = np.linalg.norm(offsets, axis=1)
    elevations = np.arcsin(np.clip(offsets @ up / distances, -1, 1))
    axes = (x, np.cross(up, x), up)
    return Orbit(
        center=_triple(center),
        axes=tuple(_triple(axis) for axis in axes),
        radius=float(distances.mean()),
        elevation=(float(elevations.min()), float(min(elevations.max(), 1.5))),
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own deprecated calls, and on torchvision, to itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
