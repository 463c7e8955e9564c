"""Tiny scenes in every layout, written where a test wants them."""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.colmap_model import POINTS, Camera, View, views, write_binary

CAMERA = Camera()
COUNT = 20
NAMES = [f"img_{index:03}.png" for index in range(COUNT)]


def pixels(folder: Path, names: list[str] = NAMES, mode: str = "RGB") -> None:
    """Write images of 64×48 noise, each another."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        noise = np.random.default_rng(index).integers(0, 256, (48, 64, 4)).astype(np.uint8)
        Image.fromarray(noise).convert(mode).save(folder / name)


def colmap(folder: Path) -> Path:
    """Write a capture with COLMAP's model around a few points."""
    write_binary(folder / "sparse" / "0", [CAMERA], views(COUNT, NAMES), np.repeat(POINTS, 10, 0))
    pixels(folder / "images")
    return folder


def ngp(folder: Path) -> Path:
    """Write the same capture with a transforms.json."""
    pixels(folder / "images")
    frames = [
        {"file_path": f"images/{view.name}", "transform_matrix": camera_to_world(view).tolist()}
        for view in views(COUNT, NAMES)
    ]
    fx, fy, cx, cy = CAMERA.parameters
    lens = {"w": 64, "h": 48, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy}
    (folder / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    return folder


def llff(folder: Path) -> Path:
    """Write the same capture with a poses_bounds.npy."""
    pixels(folder / "images")
    rows = []
    for view in views(COUNT, NAMES):
        right, up, backward, centre = camera_to_world(view)[:3].T
        matrix = np.stack([-up, right, backward, centre, [48, 64, 60]], 1)
        rows.append([*matrix.ravel(), 2.0, 8.0])
    np.save(folder / "poses_bounds.npy", np.array(rows))
    return folder


def blender(folder: Path) -> Path:
    """Write a scene of two training and two test views in Blender's format."""
    made = iter(views(4))
    for split in ("train", "test"):
        pixels(folder / split, ["r_0.png", "r_1.png"], "RGBA")
        frames: list[dict[str, Any]] = [
            {
                "file_path": f"./{split}/r_{i}",
                "transform_matrix": camera_to_world(next(made)).tolist(),
            }
            for i in range(2)
        ]
        content = {"camera_angle_x": math.pi / 4, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(content))
    return folder


def packed() -> bytes:
    """Return a zip with a capture in set/one and a scene in Blender's format in set/two."""
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(stream, "w") as archive:
        folder = Path(name)
        colmap(folder / "set" / "one")
        blender(folder / "set" / "two")
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return stream.getvalue()


def camera_to_world(view: View) -> Any:
    """Return a view's pose [4, 4] with OpenGL axes."""
    pose = np.eye(4)
    pose[:3, :3] = view.rotation.T @ np.diag([1, -1, -1])
    pose[:3, 3] = -view.rotation.T @ view.translation
    return pose
