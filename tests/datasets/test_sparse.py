"""Sparse points lie in the scene's space where its cameras see them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from effbench.datasets import sparse
from effbench.planning.registry import discover
from effbench.scene import Scene, SceneRef
from tests.colmap_model import POINTS, views, write_binary
from tests.datasets import made


def load(root: Path, name: str) -> Scene:
    return discover().load_scene(SceneRef(name), str(root))


def test_points_are_where_cameras_see_them(tmp_path: Path) -> None:
    made.colmap(tmp_path / "colmap" / "mine")
    scene = load(tmp_path, "colmap/mine")
    points = sparse.points(scene, tmp_path)[::10]  # each is there ten times
    camera = scene.train.intrinsics
    seen = {view.name: view for view in views(made.COUNT, made.NAMES)}
    for name, pose in zip(scene.train.names, scene.train.poses.astype(float), strict=True):
        local = (points - pose[:, 3]) @ pose[:, :3]
        x = camera.cx - camera.fx * local[:, 0] / local[:, 2]
        y = camera.cy + camera.fy * local[:, 1] / local[:, 2]
        expected = seen[name].project(POINTS, made.CAMERA)
        np.testing.assert_allclose(np.stack([x, y], 1), expected, atol=1e-3)


def test_a_scene_without_a_model_has_none(tmp_path: Path) -> None:
    made.ngp(tmp_path / "ngp" / "mine")
    assert sparse.points(load(tmp_path, "ngp/mine"), tmp_path).shape == (0, 3)
    assert sparse.points(load(tmp_path, "ngp/mine"), None).shape == (0, 3)


def test_a_model_of_other_cameras_is_left_out(tmp_path: Path) -> None:
    folder = made.colmap(tmp_path / "colmap" / "mine")
    scene = load(tmp_path, "colmap/mine")
    shutil.rmtree(folder / "sparse")
    others = views(made.COUNT, made.NAMES[::-1])
    write_binary(folder / "sparse" / "0", [made.CAMERA], others)
    assert len(sparse.points(scene, tmp_path)) == 0
    (folder / "sparse" / "0" / "images.bin").write_bytes(b"damaged")
    assert len(sparse.points(scene, tmp_path)) == 0
