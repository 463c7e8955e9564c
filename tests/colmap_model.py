"""COLMAP models for tests, written as COLMAP writes them: around a few known points."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

MODELS = {"SIMPLE_PINHOLE": 0, "PINHOLE": 1, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4, "FOV": 7}
POINTS = np.array([[0.0, 0.0, 0.0], [0.5, 0.2, -0.3], [-0.4, 0.6, 0.1], [0.1, -0.5, 0.7]])


@dataclass(frozen=True)
class Camera:
    number: int = 1
    model: str = "PINHOLE"
    width: int = 64
    height: int = 48
    parameters: tuple[float, ...] = (60.0, 62.0, 32.5, 23.0)


@dataclass(frozen=True)
class View:
    """A view by the pose that COLMAP writes: world to camera, x right, y down, z forward."""

    name: str
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    camera: int = 1

    def project(self, points: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
        """Return where a PINHOLE sees points [P, 3]: pixels [P, 2], centre of the first 0.5."""
        fx, fy, cx, cy = camera.parameters
        local = points @ self.rotation.T + self.translation
        return np.stack(
            [fx * local[:, 0] / local[:, 2] + cx, fy * local[:, 1] / local[:, 2] + cy], 1
        )


def views(count: int = 10, names: Sequence[str] = ()) -> list[View]:
    """Views from around the points, that look at the origin."""
    made = []
    for index in range(count):
        turn = Rotation.from_euler("yxz", [2 * np.pi * index / count, 0.3, 0.05 * index])
        name = names[index] if names else f"img_{index:03}.png"
        made.append(View(name, turn.as_matrix(), np.array([0.0, 0.0, 4.0])))
    return made


def write_binary(
    folder: Path,
    cameras: Sequence[Camera],
    seen: Sequence[View],
    points: NDArray[np.float64] = POINTS,
    observations: int = 2,
) -> None:
    """Write cameras.bin, images.bin and points3D.bin."""
    folder.mkdir(parents=True, exist_ok=True)
    data = struct.pack("<Q", len(cameras))
    for c in cameras:
        data += struct.pack("<IiQQ", c.number, MODELS[c.model], c.width, c.height)
        data += struct.pack(f"<{len(c.parameters)}d", *c.parameters)
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", len(seen))
    for number, view in reversed(list(enumerate(seen, start=7))):  # in no order
        data += struct.pack("<I7dI", number, *quaternion(view), *view.translation, view.camera)
        data += view.name.encode() + b"\0" + struct.pack("<Q", observations)
        data += struct.pack("<ddQ", 1.5, 2.5, 2**64 - 1) * observations
    (folder / "images.bin").write_bytes(data)
    data = struct.pack("<Q", len(points))
    for number, point in enumerate(points):
        data += struct.pack("<Q3d3Bd", number, *point, 10, 20, 30, 0.5)
        data += struct.pack("<QII", 1, 7, 0)
    (folder / "points3D.bin").write_bytes(data)


def write_text(
    folder: Path, cameras: Sequence[Camera], seen: Sequence[View], end: str = "\n"
) -> None:
    """Write cameras.txt, images.txt and points3D.txt with lines that end in `end`."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, lines: list[str]) -> None:
        text = end.join(["# Written for a test", *lines, ""])
        (folder / name).write_bytes(text.encode())

    def spaced(*values: object) -> str:
        return " ".join(map(str, values))

    write(
        "cameras.txt",
        [spaced(c.number, c.model, c.width, c.height, *c.parameters) for c in cameras],
    )
    lines = []
    for number, view in enumerate(seen, start=1):
        pose = (*quaternion(view), *view.translation)
        lines += [spaced(number, *pose, view.camera, view.name), ""]  # no observations
    write("images.txt", lines)
    write("points3D.txt", [spaced(i, *p, 1, 2, 3, 0.5, 1, 0) for i, p in enumerate(POINTS)])


def quaternion(view: View) -> list[float]:
    x, y, z, w = Rotation.from_matrix(view.rotation).as_quat()
    return [w, x, y, z]
