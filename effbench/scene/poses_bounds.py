"""`poses_bounds.npy` of LLFF: a row of 17 numbers per photograph, in the order of their names.

The first 15 are a 3×5 matrix, row by row: camera to world with the axes down, right, backward; the
camera's centre; height, width and focal length in pixels of the full size. The last two are the
nearest and the farthest depth that the photograph shows. The principal point is the middle.

Layout: https://github.com/Fyusion/LLFF#using-your-own-poses-without-running-colmap.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.scene.captures import Shot
from effbench.scene.contract import Intrinsics
from effbench.scene.lazy import Lazy
from effbench.scene.readers import fail, parse_pose, read_bytes
from effbench.scene.undistortion import Lens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

FILE = "poses_bounds.npy"

_COLUMNS = 17
_MOST_BYTES = 1 << 24  # 100,000 photographs: more is another file
_MOST_PIXELS = 1 << 20  # per side
_AGAIN = "make it again with LLFF's imgs2poses.py"


def read_poses_bounds(
    folder: Path, images: Sequence[Path]
) -> tuple[list[Shot], NDArray[np.float64]]:
    """Return a photograph for each of `images`, which are in the order of names, and the nearest
    depth that each shows, float64 [V].

    Raises SceneError naming the file, the fault and the remedy.
    """
    path = folder / FILE
    rows = _rows(path)
    if len(rows) != len(images):
        wrong = f"has {len(rows)} rows, but there are {len(images)} images"
        where = images[0].parent if images else folder
        raise fail(path, f"{wrong} in {where}", "leave there just the images that it is of")
    shots = [
        Shot(image.relative_to(folder).as_posix(), image, *_camera(path, index, row))
        for index, (image, row) in enumerate(zip(images, rows, strict=True))
    ]
    return shots, rows[:, 15]


def _camera(path: Path, index: int, row: NDArray[np.float64]) -> tuple[Lens, NDArray[np.float64]]:
    """Return the lens and the pose with OpenGL axes of a row, whose every number is checked."""
    if not np.isfinite(row).all():
        raise fail(path, f"row {index} holds NaN or infinity", _AGAIN)
    matrix, (near, far) = row[:15].reshape(3, 5), row[15:]
    if not 0 < near < far:
        raise fail(path, f"row {index} has depths from {near:g} to {far:g}", _AGAIN)
    height, width, focal = matrix[:, 4]
    if not (1 <= width < _MOST_PIXELS and 1 <= height < _MOST_PIXELS and focal > 0):
        wrong = f"row {index} has images of {width:g}×{height:g} pixels, focal length {focal:g}"
        raise fail(path, wrong, _AGAIN)
    down, right, backward, centre = matrix[:, :4].T
    pose = np.eye(4)
    pose[:3] = np.stack([right, -down, backward, centre], 1)
    size = (int(width), int(height))
    pinhole = Intrinsics(*size, focal, focal, size[0] / 2, size[1] / 2)
    return Lens(pinhole), parse_pose(path, f"the pose of row {index}", pose)


def _rows(path: Path) -> NDArray[np.float64]:
    """Return the file's numbers, float64 [V, 17]. What its header says is believed only where the
    file is as long as that, and only of floating point numbers: no object is ever unpickled."""
    data = read_bytes(path, _MOST_BYTES)
    stream = io.BytesIO(data)
    try:
        shape, dtype = _header(stream)
    except Exception as error:  # numpy's parser of headers raises many types on a corrupt one
        raise fail(path, f"is no array of numpy ({error})", _AGAIN) from error
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise fail(path, f"holds {dtype}, not floating point numbers", _AGAIN)
    if len(shape) != 2 or shape[1] != _COLUMNS or shape[0] < 1:
        raise fail(path, f"has the shape {shape}, not (images, {_COLUMNS})", _AGAIN)
    size = len(data) - stream.tell()
    if size != shape[0] * shape[1] * dtype.itemsize:
        raise fail(path, f"says {shape[0]} rows, but has {size} bytes of them", _AGAIN)
    stream.seek(0)
    with warnings.catch_warnings(action="ignore"):
        rows: NDArray[np.float64] = np.load(stream, allow_pickle=False).astype(np.float64)
    return rows


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of the array in a stream, which is left behind its header."""
    from numpy.lib import format as layout

    readers: dict[tuple[int, int], Any] = {
        (1, 0): layout.read_array_header_1_0,
        (2, 0): layout.read_array_header_2_0,
    }
    version = layout.read_magic(stream)
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    with warnings.catch_warnings(action="ignore"):  # numpy warns of headers of Python 2
        shape, _, dtype = readers[version](stream)
    return shape, dtype
