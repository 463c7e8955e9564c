"""`transforms.json` of instant-ngp and nerfstudio: posed photographs with a lens.

Poses are camera to world with OpenGL axes. Focal lengths come from `fl_x`/`fl_y` (pixels of `w` and
`h`), else from `camera_angle_x`/`_y` (radians); a frame's own values replace those of the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from effbench.scene.captures import SUFFIXES, Shot
from effbench.scene.contract import Intrinsics
from effbench.scene.lazy import Lazy
from effbench.scene.readers import (
    MOST_DISTANCE,
    fail,
    first_file,
    image_size,
    parse_json,
    parse_pose,
    read_bytes,
    require,
)
from effbench.scene.undistortion import Lens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

FILE = "transforms.json"

_PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
# Keys of lenses and shutters that are not read; 0, false and null say that there is none
_UNREAD = (
    *("k3", "k4", "is_fisheye", "rolling_shutter", "latlong", "equirectangular", "orthographic"),
    *("ftheta_p0", "ftheta_p1", "ftheta_p2", "ftheta_p3", "ftheta_p4"),
)


def read_transforms(folder: Path) -> tuple[list[Shot], list[str], frozenset[str] | None]:
    """Return a capture's photographs in the order of names, notes on frames that were left out, and
    the names of the test split where the file lists one.

    Raises SceneError naming the file, the fault and the remedy.
    """
    path = folder / FILE
    content = parse_json(path, read_bytes(path))
    frames = require(path, "", content, "frames")
    if not (isinstance(frames, list) and frames):
        raise fail(path, "'frames' lists no views", "export the capture again")
    _check_model(path, content)
    shots: dict[str, Shot] = {}
    missing = 0
    for index, frame in enumerate(frames):
        name = _name(path, index, frame)
        file = _file(folder, name)
        if file is None:
            missing += 1
            continue
        if name in shots:
            raise fail(path, f"lists {name!r} twice", "remove one of the frames")
        where = f"the pose of frame {index} ({name})"
        matrix = require(path, f"frame {index}", frame, "transform_matrix")
        pose: NDArray[np.float64] = parse_pose(path, where, matrix)
        shots[name] = Shot(name, file, _lens(path, {**content, **frame}, file), pose)
    if not shots:
        raise fail(path, f"none of its {missing} images is there", "copy them beside the file")
    notes = [f"{missing} of {len(frames)} frames have no image"] if missing else []
    ordered = [shots[name] for name in sorted(shots)]
    return ordered, notes, _held(path, content, shots)


def _check_model(path: Path, content: Mapping[str, Any]) -> None:
    model = content.get("camera_model")
    if model is not None and model not in _PERSPECTIVE:
        remedy = f"undistort the images, or use one of {', '.join(_PERSPECTIVE)}"
        raise fail(path, f"camera_model is {model!r}, which is not read", remedy)


def _name(path: Path, index: int, frame: Any) -> str:
    """Return a frame's path below the scene's folder, with slashes."""
    given = require(path, f"frame {index}", frame, "file_path")
    if not isinstance(given, str):
        raise fail(path, f"file_path of frame {index} is {given!r}, not a path", "write it there")
    parts = PurePosixPath(given.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or "\0" in given:
        wrong = f"file_path of frame {index}, {given!r}, lies outside the scene"
        raise fail(path, wrong, "use paths below the scene's folder")
    return "/".join(parts)


def _file(folder: Path, name: str) -> Path | None:
    path = folder / name
    candidates = (path, *(Path(f"{path}{suffix}") for suffix in SUFFIXES))
    return first_file(candidates)


def _lens(path: Path, values: Mapping[str, Any], image: Path) -> Lens:
    """Return the lens of a frame's values. Raises SceneError for one that is not read."""
    if unread := [key for key in _UNREAD if values.get(key) not in (None, 0, False, [0, 0, 0, 0])]:
        wrong = f"describes a lens that is not read ({', '.join(unread)})"
        raise fail(path, wrong, "undistort the images and remove these keys")

    def number(key: str) -> float | None:
        value = values.get(key)
        if value is None:
            return None
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and abs(value) < MOST_DISTANCE):  # nor infinity or NaN
            raise fail(path, f"{key} is {value!r:.40}, not a number", "export the capture again")
        return float(value)

    width, height = number("w"), number("h")
    if width is None or height is None:
        width, height = image_size(image)
    if not (1 <= width < 1 << 20 and 1 <= height < 1 << 20):
        raise fail(path, f"images of {width:g}×{height:g} pixels", "correct w and h")
    focal = [
        _focal(number(f"fl_{axis}"), number(f"camera_angle_{axis}"), side)
        for axis, side in (("x", width), ("y", height))
    ]
    fx, fy = focal[0] or focal[1], focal[1] or focal[0]
    if not (fx and fy and fx > 0 and fy > 0):
        wrong = "has neither fl_x nor an angle camera_angle_x between 0 and π"
        raise fail(path, wrong, "export the capture with its focal length")
    cx, cy = number("cx"), number("cy")
    bends = [number(key) or 0.0 for key in ("k1", "k2", "p1", "p2")]
    centre = (width / 2 if cx is None else cx, height / 2 if cy is None else cy)
    pinhole = Intrinsics(int(width), int(height), fx, fy, *centre)
    return Lens(pinhole, (bends[0], bends[1], bends[2], bends[3]))


def _focal(pixels: float | None, angle: float | None, side: float) -> float | None:
    """Return a focal length in pixels; of an angle only where that is one."""
    if pixels is not None:
        return pixels
    if angle is None or not 0 < angle < math.pi:
        return None
    return 0.5 * side / math.tan(0.5 * angle)


def _held(
    path: Path, content: Mapping[str, Any], shots: Mapping[str, Shot]
) -> frozenset[str] | None:
    """Return the names of the test split, where the file lists one; else None."""
    listed = content.get("test_filenames")
    if listed is None:
        return None
    if not (isinstance(listed, list) and all(isinstance(name, str) for name in listed)):
        raise fail(path, "test_filenames is no list of names", "export the capture again")
    names = {"/".join(PurePosixPath(name.replace("\\", "/")).parts) for name in listed}
    return frozenset(names & shots.keys())
