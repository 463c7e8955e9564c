"""A scene small enough to train on in tests: a grey ball seen by eight cameras."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from effbench.method import Context
from effbench.scene import Intrinsics, Scene, Views

SMALL: dict[str, Any] = {  # a hash field of the size of a test
    "levels": 4,
    "log2_table": 10,
    "finest_resolution": 64,
    "hidden": 16,
    "samples": 2048,
    "march_steps": 64,
    "render_steps": 64,
    "grid_resolution": 16,
}
CAMERA = Intrinsics(width=16, height=16, fx=22.0, fy=22.0, cx=8.0, cy=8.0)
RADIUS, DISTANCE = 0.8, 4.0


def look_at_origin(azimuth: float) -> np.ndarray:
    """Return a camera on the horizon, [3, 4] camera to world."""
    back = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    return np.stack([right, up, back, DISTANCE * back], 1).astype(np.float32)


def ball(color: int = 60) -> Scene:
    """Return a ball of `RADIUS` with exact silhouettes; every view shows the same disc."""
    y, x = np.mgrid[:16, :16] + 0.5
    tangent = np.hypot(x - 8, y - 8) / 22
    inside = tangent < math.tan(math.asin(RADIUS / DISTANCE))
    image = np.full((16, 16, 4), color, np.uint8)
    image[..., 3] = inside * 255
    poses = np.stack([look_at_origin(2 * math.pi * i / 8) for i in range(8)])
    views = Views(np.stack([image] * 8), poses, CAMERA, tuple(f"view{i}" for i in range(8)))
    box = np.array([[-1.5] * 3, [1.5] * 3], np.float32)
    return Scene("test/ball", views, views, near=2, far=6, box=box, manifest="none")


def mixed_ball(color: int = 60) -> Scene:
    """Return the ball as cameras of several focal lengths and sizes see it, every second one in
    portrait; test views have two sizes."""
    cameras, images = [], []
    for index in range(8):
        width, height = ((20, 12), (12, 20))[index % 2]
        camera = Intrinsics(width, height, 20.0 + index, 21.0 + index, width / 2 + 0.5, height / 2)
        y, x = np.mgrid[:height, :width] + 0.5
        tangent = np.hypot((x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy)
        image = np.full((height, width, 4), color, np.uint8)
        image[..., 3] = (tangent < math.tan(math.asin(RADIUS / DISTANCE))) * 255
        cameras.append(camera)
        images.append(image)
    poses = np.stack([look_at_origin(2 * math.pi * i / 8) for i in range(8)])
    views = Views.of(images, poses, cameras, [f"view{i}" for i in range(8)])
    box = np.array([[-1.5] * 3, [1.5] * 3], np.float32)
    return Scene("test/mixed", views, views, near=2, far=6, box=box, manifest="none")


def context(**changes: object) -> Context:
    """Return a context of the ball on the CPU with seed 0."""
    arguments = {"scene": ball(), "device": torch.device("cpu"), "seed": 0, **changes}
    return Context(**arguments)  # type: ignore[arg-type]
