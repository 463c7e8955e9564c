"""A ball with painted sides: a complete source of scenes, to start one's own from."""

import hashlib

import numpy as np

from effbench.scene import Intrinsics, Scene, SceneConfig, SceneEntry, SceneSource, Views


class Ball(SceneSource):
    """A unit ball whose colour is its surface normal, seen from a ring of cameras."""

    family = "ball"
    Config = SceneConfig

    def entries(self, root):
        return [SceneEntry("unit", "a unit ball, coloured by its normals")]

    def load(self, name, root, config):
        side = 32 // config.downscale
        train, test = views(12, side, start=0.0), views(4, side, start=0.2)
        manifest = hashlib.sha256(train.images.tobytes() + test.images.tobytes()).hexdigest()
        box = np.array([[-1.1] * 3, [1.1] * 3], np.float32)
        return Scene(f"{self.family}/{name}", train, test, 2.0, 6.0, box, manifest)


def views(count, side, start):
    """Views of the ball from 4 units away, on a ring; angles in radians from `start`."""
    camera = Intrinsics(side, side, 1.5 * side, 1.5 * side, side / 2, side / 2)
    angles = start + np.linspace(0, 2 * np.pi, count, endpoint=False)
    poses = np.stack([look_at_origin(a) for a in angles]).astype(np.float32)
    images = np.stack([picture(pose, camera) for pose in poses])
    return Views(images, poses, camera, tuple(f"view_{i}" for i in range(count)))


def look_at_origin(angle):
    """Return a [3, 4] camera-to-world matrix: OpenGL axes, the camera looks along its -z."""
    back = np.array([np.cos(angle), np.sin(angle), 0.5]) / np.sqrt(1.25)
    right = np.cross([0, 0, 1], back) / np.hypot(back[0], back[1])
    return np.stack([right, np.cross(back, right), back, 4 * back], axis=1)


def picture(pose, camera):
    """Return uint8 [H, W, 4]: where a pixel's ray meets the ball, the normal as a colour."""
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    local = np.stack([(x - camera.cx) / camera.fx, (camera.cy - y) / camera.fy, -np.ones_like(x)])
    ray = np.tensordot(pose[:, :3], local / np.linalg.norm(local, axis=0), axes=1)  # [3, H, W]
    along = np.tensordot(pose[:, 3], ray, axes=1)
    inside = along**2 - pose[:, 3] @ pose[:, 3] + 1  # discriminant of |origin + t·ray|² = 1
    normal = pose[:, 3, None, None] - (along + np.sqrt(np.maximum(inside, 0))) * ray
    color = np.concatenate([0.5 + 0.5 * normal, np.ones_like(x)[None]]) * (inside > 0)
    return np.floor(255 * np.clip(color, 0, 1) + 0.5).astype(np.uint8).transpose(1, 2, 0)
