"""COLMAP's sparse models, binary and text: cameras, posed images, points.

The three files are read by themselves (`rigs` and `frames` of newer versions add nothing to them).
Poses become camera to world with OpenGL axes. Counts in a file are believed only as far as the
file is long, so that a damaged one ends in an error and not in an allocation.

Layout: https://colmap.github.io/format.html.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from effbench.errors import SceneError
from effbench.scene.contract import Intrinsics
from effbench.scene.lazy import Lazy
from effbench.scene.readers import MOST_DISTANCE, fail, read_bytes
from effbench.scene.undistortion import Lens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

# Number of a model in binary files, to its name and its number of parameters
_MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4),
    13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3),
    15: ("FISHEYE", 4),
    16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2),
}
_PARAMETERS = dict(_MODELS.values())
_SINGLE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
_READ = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
_MOST_PIXELS = 1 << 20  # per side: larger is a damaged file
_AGAIN = "export the model again"


@dataclass(frozen=True)
class Model:
    """names: of the registered images, sorted; cameras: the id of each one's camera; poses: float64
    [V, 3, 4] camera to world, OpenGL axes; lenses: by id; points: float64 [P, 3] world."""

    names: tuple[str, ...]
    cameras: tuple[int, ...]
    poses: NDArray[np.float64]
    lenses: dict[int, Lens]
    points: NDArray[np.float64]


def read_model(folder: Path) -> Model:
    """Read the model in a folder: binary files where they are there, else text.

    Raises SceneError naming the file, the fault and the remedy.
    """
    for suffix, reader in ((".bin", _Binary), (".txt", _Text)):
        if (folder / f"cameras{suffix}").exists():
            return _checked(reader(folder, suffix))
    wrong = "holds no cameras.bin and no cameras.txt"
    raise fail(folder, wrong, "put COLMAP's sparse model there, or name its folder")


class _Image(NamedTuple):
    name: str
    camera: int
    rotation: tuple[float, ...]  # w, x, y, z
    translation: tuple[float, ...]


class _Binary:
    """A model's little-endian files, packed, without a header."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix

    def path(self, name: str) -> Path:
        return self._folder / f"{name}{self._suffix}"

    def lenses(self) -> Iterator[tuple[int, Lens]]:
        data = _Cursor(self.path("cameras"))
        for _ in range(data.count(least=24 + 16)):
            number, model, width, height = data.take("IiQQ")
            if model not in _MODELS:
                raise fail(data.path, f"camera {number} has the unknown model {model}", _AGAIN)
            name, parameters = _MODELS[model]
            yield number, _lens(data.path, number, name, width, height, data.take(f"{parameters}d"))

    def images(self) -> Iterator[_Image]:
        data = _Cursor(self.path("images"))
        for _ in range(data.count(least=64 + 2 + 8)):
            _, *pose, camera = data.take("I7dI")
            name = data.text()
            data.skip(data.count(least=24) * 24)
            yield _Image(name, camera, tuple(pose[:4]), tuple(pose[4:]))

    def points(self) -> Iterator[tuple[float, ...]]:
        data = _Cursor(self.path("points3D"))
        for _ in range(data.count(least=43 + 8)):
            _, x, y, z, _, _, _, _ = data.take("Q3d3Bd")
            data.skip(data.count(least=8) * 8)
            yield x, y, z


class _Cursor:
    """A place in a binary file; whatever would lie beyond its end is a SceneError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data = read_bytes(path)
        self._at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{layout}")
        at = self._at
        self.skip(size)
        return struct.unpack_from(f"<{layout}", self._data, at)

    def count(self, least: int) -> int:
        """Return a number of things that take at least so many bytes each."""
        (count,) = self.take("Q")
        if count * least > len(self._data) - self._at:
            self._cut(f"says that {count} entries follow, for which it is too short")
        return int(count)

    def skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            self._cut("ends in the middle of an entry")
        self._at += size

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            self._cut("ends in the middle of a name")
        raw = self._data[self._at : end]
        self._at = end + 1
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise fail(
                self.path, f"the name {raw[:40]!r} is not UTF-8", "rename the image"
            ) from None

    def _cut(self, wrong: str) -> None:
        raise fail(self.path, wrong, f"copy it again, or {_AGAIN}")


class _Text(_Binary):
    """A model's text files: a line per camera and point, two per image."""

    def lenses(self) -> Iterator[tuple[int, Lens]]:
        path = self.path("cameras")
        for number, line in _lines(path):
            parts = line.split()
            if not parts:
                continue
            model = parts[1] if len(parts) > 1 else ""
            if model not in _PARAMETERS:
                raise fail(path, f"line {number} has the unknown camera model {model!r}", _AGAIN)
            values = _numbers(path, number, parts[:1] + parts[2:], 3 + _PARAMETERS[model])
            first, width, height, *parameters = values
            identity = _identity(path, number, first)
            yield identity, _lens(path, identity, model, width, height, tuple(parameters))

    def images(self) -> Iterator[_Image]:
        path = self.path("images")
        lines = _lines(path)
        for number, line in lines:
            parts = line.split(maxsplit=9)  # a name may hold spaces
            if not parts:
                continue
            if len(parts) < 10:
                raise fail(path, f"line {number} has {len(parts)} values, not 10", _AGAIN)
            _, *pose, camera = _numbers(path, number, parts[:9], 9)
            next(lines, None)  # its observations, often an empty line
            identity = _identity(path, number, camera)
            yield _Image(parts[9].strip(), identity, tuple(pose[:4]), tuple(pose[4:]))

    def points(self) -> Iterator[tuple[float, ...]]:
        path = self.path("points3D")
        for number, line in _lines(path):
            if line.strip():
                yield tuple(_numbers(path, number, line.split()[1:4], 3))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, without comments; empty ones stay."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(path, f"is not UTF-8 text ({error})", _AGAIN) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("#"):
            yield number, line


def _numbers(path: Path, line: int, parts: list[str], count: int) -> list[float]:
    try:
        values = [float(part) for part in parts[:count]]
    except ValueError as error:
        raise fail(
            path, f"line {line} holds no number where one belongs ({error})", _AGAIN
        ) from error
    if len(values) < count:
        raise fail(path, f"line {line} has {len(values)} numbers, not {count}", _AGAIN)
    return values


def _identity(path: Path, line: int, value: float) -> int:
    if not abs(value) < 1 << 32:  # nor is NaN
        raise fail(path, f"line {line} has the camera {value:g}, which is no id", _AGAIN)
    return int(value)


def _lens(
    path: Path, number: int, model: str, width: float, height: float, values: tuple[float, ...]
) -> Lens:
    """Return a camera. Raises SceneError for a model that is not read, and for values that belong
    to no camera."""
    if model not in _READ:
        wrong = f"camera {number} is {model}, which is not read"
        remedy = f"undistort the images with COLMAP, or use one of {', '.join(_READ)}"
        raise fail(path, wrong, remedy)
    if not (1 <= width < _MOST_PIXELS and 1 <= height < _MOST_PIXELS):
        raise fail(path, f"camera {number} has images of {width:g}×{height:g} pixels", _AGAIN)
    if model in _SINGLE_FOCAL:
        values = (values[0], *values)
    fx, fy, cx, cy, *lens = map(float, values)
    if not (np.isfinite(values).all() and fx > 0 and fy > 0):
        raise fail(path, f"camera {number} has the parameters {tuple(values)}", _AGAIN)
    k1, k2, p1, p2 = (*lens, 0.0, 0.0, 0.0, 0.0)[:4]
    return Lens(Intrinsics(int(width), int(height), fx, fy, cx, cy), (k1, k2, p1, p2))


def _checked(files: _Binary) -> Model:
    lenses = dict(files.lenses())
    path = files.path("images")
    images = sorted(files.images(), key=lambda image: image.name)
    if not images:
        raise fail(path, "lists no image", "reconstruct the scene again")
    for image, after in itertools.pairwise(images):
        if image.name == after.name:
            raise fail(path, f"lists {image.name!r} twice", _AGAIN)
    for image in images:
        if image.camera not in lenses:
            wrong = f"{image.name!r} is of camera {image.camera}, which is not there"
            raise fail(path, wrong, _AGAIN)
    poses = np.stack([_pose(path, image) for image in images])
    names, cameras = tuple(i.name for i in images), tuple(i.camera for i in images)
    return Model(names, cameras, poses, lenses, _points(files))


def _points(files: _Binary) -> NDArray[np.float64]:
    """Return the finite points; none where the file is missing: some tools leave it out."""
    if not files.path("points3D").exists():
        return np.empty((0, 3))
    points = np.array(list(files.points()), np.float64).reshape(-1, 3)
    kept: NDArray[np.float64] = points[(np.abs(points) < MOST_DISTANCE).all(1)]  # nor NaN
    return kept


def _pose(path: Path, image: _Image) -> NDArray[np.float64]:
    """Return camera to world [3, 4] with OpenGL axes of a world to camera pose with OpenCV's."""
    quaternion = np.array(image.rotation)
    length = float(np.linalg.norm(quaternion))
    if not (np.isfinite([*image.rotation, *image.translation]).all() and length > 1e-6):
        wrong = f"the pose of {image.name!r} holds NaN, infinity or no rotation"
        raise fail(path, wrong, "leave the image out, or estimate its pose again")
    w, x, y, z = quaternion / length
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    centre = -rotation.T @ np.array(image.translation)
    if np.abs(centre).max() > MOST_DISTANCE:
        wrong = f"{image.name!r} is more than {MOST_DISTANCE:g} away from the origin"
        raise fail(path, wrong, "leave the image out, or estimate its pose again")
    return np.concatenate([rotation.T * [1, -1, -1], centre[:, None]], 1)


def find_model(scene: Path) -> Path:
    """Return the folder of a scene's sparse model: `sparse/0`, else the model with most images
    below `sparse`, else `sparse` itself. Raises SceneError where there is none."""
    sparse = scene / "sparse"
    if _has_model(sparse / "0"):
        return sparse / "0"
    numbered = [path for path in sorted(sparse.glob("*")) if path.is_dir() and _has_model(path)]
    if numbered:
        return max(numbered, key=lambda path: len(read_model(path).names))
    if _has_model(sparse):
        return sparse
    raise SceneError(
        f"{sparse}: holds no COLMAP model. To fix it, put cameras, images and points3D (.bin or "
        ".txt) into sparse/0"
    )


def _has_model(folder: Path) -> bool:
    return any((folder / f"cameras{suffix}").is_file() for suffix in (".bin", ".txt"))
