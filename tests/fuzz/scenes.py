"""Small valid scenes of every format, in memory: what the fuzzer damages.

A tree is files by their path below the folder of scenes.
"""

from __future__ import annotations

import functools
import io
import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Tree = dict[str, bytes]

WIDTH, HEIGHT, FOCAL = 16, 12, 15.0
VIEWS = 5  # the first is held out
_FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP"}


def poses() -> list[NDArray[np.float64]]:
    """Return poses [4, 4] camera to world, OpenGL axes, around the origin at distance 4."""
    made = []
    for view in range(VIEWS):
        azimuth, elevation = 2 * math.pi * view / VIEWS, 0.3 + 0.05 * view
        level = math.cos(elevation)
        back = np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)])
        right = np.array([-math.sin(azimuth), math.cos(azimuth), 0])
        pose = np.eye(4)
        pose[:3] = np.stack([right, np.cross(back, right), back, 4 * back], 1)
        made.append(pose)
    return made


@functools.cache
def image(view: int, suffix: str = "png", mode: str = "RGB") -> bytes:
    """Return an encoded image of a view: noise, in a frame that is empty where alpha is wanted."""
    pixels = np.random.default_rng(view).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    pixels[:2, :, 3] = pixels[-2:, :, 3] = 0
    buffer = io.BytesIO()
    plain = Image.fromarray(pixels).convert("RGB")
    shown = Image.fromarray(pixels) if mode == "RGBA" else plain.convert(mode)
    shown.save(buffer, _FORMATS[suffix])
    return buffer.getvalue()


def blender() -> Tree:
    """Return a scene of NeRF-synthetic with alpha."""
    return _blender([f"{view}.png" for view in range(VIEWS)], "RGBA")


def images() -> Tree:
    """Return one whose images are of several formats."""
    return _blender(["0.png", "1.jpg", "2.webp", "3.bmp", "4.jpg"], "RGB")


def _blender(names: Sequence[str], mode: str) -> Tree:
    folder = "nerf_synthetic/made"
    tree = {}
    for split, views in (("train", range(2, VIEWS)), ("test", range(2))):
        frames = [
            {"file_path": f"./{split}/{names[view]}", "transform_matrix": poses()[view].tolist()}
            for view in views
        ]
        content = {"camera_angle_x": 2 * math.atan(WIDTH / 2 / FOCAL), "frames": frames}
        tree[f"{folder}/transforms_{split}.json"] = _json(content)
        for view in views:
            name = names[view]
            shown = image(view, name.rpartition(".")[2], mode)
            tree[f"{folder}/{split}/{name}"] = shown
    return tree


def ngp() -> Tree:
    """Return a capture with a transforms.json and some distortion."""
    names = [f"images/{view}.png" for view in range(VIEWS)]
    frames = [
        {"file_path": name, "transform_matrix": pose.tolist()}
        for name, pose in zip(names, poses(), strict=True)
    ]
    lens = {"w": WIDTH, "h": HEIGHT, "fl_x": FOCAL, "fl_y": FOCAL, "cx": 8.2, "cy": 6.1, "k1": 0.01}
    content = {"camera_model": "OPENCV", **lens, "aabb_scale": 4, "frames": frames}
    return {"ngp/made/transforms.json": _json(content)} | _photographs("ngp/made")


def llff() -> Tree:
    """Return a capture with a poses_bounds.npy."""
    rows = []
    for pose in poses():
        right, up, back, centre = pose[:3].T
        matrix = np.stack([-up, right, back, centre, np.array([HEIGHT, WIDTH, FOCAL])], 1)
        rows.append([*matrix.ravel(), 2.0, 8.0])
    buffer = io.BytesIO()
    np.save(buffer, np.array(rows))
    return {"llff/made/poses_bounds.npy": buffer.getvalue()} | _photographs("llff/made")


def colmap_binary() -> Tree:
    """Return a capture with COLMAP's binary model."""
    count = struct.Struct("<Q").pack
    cameras = count(1) + struct.pack("<IiQQ8d", 1, 4, WIDTH, HEIGHT, *_OPENCV)
    seen = count(VIEWS)
    for view, (quaternion, translation) in enumerate(_world_to_camera()):
        seen += struct.pack("<I7dI", view + 1, *quaternion, *translation, 1)
        seen += f"{view}.png\0".encode() + count(1) + struct.pack("<ddQ", 1.5, 2.5, 2**64 - 1)
    points = count(len(_POINTS))
    for number, point in enumerate(_POINTS):
        points += struct.pack("<Q3d3BdQII", number, *point, 1, 2, 3, 0.5, 1, 1, 0)
    sparse = "colmap/made/sparse/0"
    files = {"cameras": cameras, "images": seen, "points3D": points}
    model = {f"{sparse}/{name}.bin": data for name, data in files.items()}
    return model | _photographs("colmap/made")


def colmap_text() -> Tree:
    """Return a capture with COLMAP's model as text."""
    cameras = ["# cameras", _spaced(1, "OPENCV", WIDTH, HEIGHT, *_OPENCV)]
    seen = ["# images"]
    for view, (quaternion, translation) in enumerate(_world_to_camera()):
        seen += [_spaced(view + 1, *quaternion, *translation, 1, f"{view}.png"), "1.5 2.5 -1"]
    points = [_spaced(i, *point, 1, 2, 3, 0.5, 1, 0) for i, point in enumerate(_POINTS)]
    sparse = "colmap/made/sparse/0"
    files = {"cameras": cameras, "images": seen, "points3D": points}
    model = {f"{sparse}/{n}.txt": ("\n".join(lines) + "\n").encode() for n, lines in files.items()}
    return model | _photographs("colmap/made")


_OPENCV = (FOCAL, FOCAL, 8.0, 6.0, 0.01, 0.001, 0.0005, -0.0005)
_POINTS = [(0.1 * i, 0.05 * i, -0.1 * i) for i in range(-6, 7)]


def _world_to_camera() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return quaternions w, x, y, z and translations with OpenCV's axes, as COLMAP writes them."""
    found = []
    for pose in poses():
        turn = (pose[:3, :3] * [1, -1, -1]).T
        found.append((_quaternion(turn), -turn @ pose[:3, 3]))
    return found


def _quaternion(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return w, x, y, z of a rotation: the eigenvector of the greatest eigenvalue (Bar-Itzhack)."""
    (a, b, c), (d, e, f), (g, h, i) = turn
    symmetric = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    quaternion: NDArray[np.float64] = np.linalg.eigh(symmetric)[1][:, -1]
    return quaternion


def _photographs(folder: str) -> Tree:
    return {f"{folder}/images/{view}.png": image(view) for view in range(VIEWS)}


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def _spaced(*values: object) -> str:
    return " ".join(map(str, values))


READERS: dict[str, Callable[[], Tree]] = {
    "blender": blender,
    "colmap binary": colmap_binary,
    "colmap text": colmap_text,
    "transforms.json": ngp,
    "llff": llff,
    "images": images,
}
