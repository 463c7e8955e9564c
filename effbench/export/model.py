"""An exported model: what its file says of itself, and how a camera is rendered with it.

Needs numpy and onnxruntime alone, since the process whose memory is measured must not hold torch.
"""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from effbench.errors import ConfigError, EffbenchError
from effbench.scene import Intrinsics

METADATA_KEY = "effbench"
RAYS_PER_CALL = 2048  # bounds the memory of a model that takes rays
PROVIDER = "CPUExecutionProvider"

Array = NDArray[np.float32]
Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Orbit:
    """Where cameras stood: on a sphere around `center`, `radius` away in world units.

    axes: rows x, y and up, orthonormal; elevation: lowest and highest, in radians above the plane
    of x and y.
    """

    center: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...]
    radius: float
    elevation: tuple[float, float]

    def pose(self, azimuth: float, elevation: float) -> Array:
        """Return the camera, [3, 4] camera to world, that looks at the centre from two angles."""
        x, y, up = np.asarray(self.axes)
        level = math.cos(azimuth) * x + math.sin(azimuth) * y
        back = math.cos(elevation) * level + math.sin(elevation) * up
        right = np.cross(up, back) / math.cos(elevation)
        eye = np.asarray(self.center) + self.radius * back
        return np.stack([right, np.cross(back, right), back, eye], 1).astype(np.float32)

    def around(self, count: int) -> list[Array]:
        """Return `count` cameras on a circle at the middle elevation."""
        middle = sum(self.elevation) / 2
        return [self.pose(2 * math.pi * i / count, middle) for i in range(count)]


@dataclass(frozen=True)
class ModelInfo:
    """What is written into the file, as JSON under the metadata key "effbench".

    takes: "camera" or "rays", see `effbench.method.Exportable`; precision: of the stored weights;
    near, far, box: of the scene in world units; background: sRGB in [0, 1], already in the image;
    check: how far the model is from the method's own render.
    """

    version: str
    method: str
    params: dict[str, Any]
    scene: str
    takes: Literal["camera", "rays"]
    precision: Precision
    intrinsics: Intrinsics
    near: float
    far: float
    box: list[list[float]]
    background: list[float]
    orbit: Orbit
    check: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """Read what `to_json` wrote. Raises TypeError, KeyError or ValueError for other text."""
        data = json.loads(text)
        camera, orbit = Intrinsics(**data.pop("intrinsics")), Orbit(**data.pop("orbit"))
        return cls(**data, intrinsics=camera, orbit=orbit)


class OnnxModel:
    """A model loaded into ONNX Runtime. threads: of one operation; None: the runtime's choice.

    Raises EffbenchError for a file that cannot be loaded or was not exported by effbench.
    """

    def __init__(self, source: Path | bytes, threads: int | None = None) -> None:
        runtime = require("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors
        if threads:
            options.intra_op_num_threads = threads
        name = str(source) if isinstance(source, Path) else "the model"
        if isinstance(source, Path) and not source.is_file():
            raise EffbenchError(f"{name}: no such file: write one with `effbench export CELL`")
        given = str(source) if isinstance(source, Path) else source
        try:
            self._session = runtime.InferenceSession(given, options, providers=[PROVIDER])
        except Exception as error:  # the runtime's own classes, one for each kind of fault
            raise EffbenchError(f"{name}: is no model that onnxruntime loads ({error})") from error
        written = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        try:
            self.info = ModelInfo.from_json(written)
        except (TypeError, KeyError, ValueError) as error:
            raise EffbenchError(
                f"{name}: does not say what it renders: write it with `effbench export CELL`"
            ) from error

    def render(self, pose: Array) -> Array:
        """Return the image of a camera ([3, 4] camera to world), float32 [H, W, 3] in [0, 1]."""
        if self.info.takes == "camera":
            (image,) = self._session.run(None, {"pose": np.ascontiguousarray(pose, np.float32)})
            return np.asarray(image)
        origins, directions = camera_rays(pose, self.info.intrinsics)
        parts = []
        for start in range(0, len(origins), RAYS_PER_CALL):
            part = slice(start, start + RAYS_PER_CALL)
            feed = {"origins": origins[part], "directions": directions[part]}
            parts.append(self._session.run(None, feed)[0])
        height, width = self.info.intrinsics.height, self.info.intrinsics.width
        return np.concatenate(parts).reshape(height, width, 3)


def camera_rays(pose: Array, camera: Intrinsics) -> tuple[Array, Array]:
    """Return origins and unit directions, float32 [H·W, 3], through all pixel centres by rows."""
    y, x = np.mgrid[: camera.height, : camera.width].astype(np.float32) + 0.5
    across, down = (x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy
    local = np.stack([across, -down, np.full_like(x, -1)], -1).reshape(-1, 3)
    directions = local @ np.asarray(pose, np.float32)[:, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    origins = np.broadcast_to(np.asarray(pose, np.float32)[:, 3], directions.shape)
    return np.ascontiguousarray(origins), directions.astype(np.float32)


def require(package: str) -> Any:
    """Import onnxruntime, onnx or a module of them. Raises ConfigError with the remedy."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(
            f"ONNX export needs the package '{package.partition('.')[0]}' ({error}): "
            "pip install 'effbench[export]'"
        ) from error
