"""transforms.json: what is read of it, which frames are left out, and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Scene
from tests.colmap_model import POINTS, Camera, views

CAMERA = Camera()
COUNT = 20


def frame(index: int, name: str) -> dict[str, Any]:
    """A frame of the views that tests of COLMAP have, by its camera to world with OpenGL axes."""
    view = views(COUNT)[index]
    pose = np.eye(4)
    pose[:3, :3] = view.rotation.T @ np.diag([1, -1, -1])
    pose[:3, 3] = -view.rotation.T @ view.translation
    return {"file_path": name, "transform_matrix": pose.tolist()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ngp" / "mine"
    (folder / "images").mkdir(parents=True)
    names = [f"images/{i:02}.png" for i in range(COUNT)]
    for index, name in enumerate(names):
        pixels = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    fx, fy, cx, cy = CAMERA.parameters
    content = {"w": 64, "h": 48, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "aabb_scale": 4}
    frames = [frame(i, name) for i, name in reversed(list(enumerate(names)))]  # in no order
    write(folder, {**content, "frames": frames})
    return folder


def write(folder: Path, content: Any) -> None:
    (folder / "transforms.json").write_text(json.dumps(content), encoding="utf-8")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
    change(content)
    write(folder, content)


def load(folder: Path, **params: Any) -> Scene:
    source = discover().source("ngp")
    return source.load(folder.name, folder.parents[1], source.Config(**params))


def test_frames_are_in_the_order_of_names_and_every_eighth_is_for_testing(folder: Path) -> None:
    scene = load(folder)
    assert scene.test.names == ("images/00.png", "images/08.png", "images/16.png")
    assert scene.train.names[:2] == ("images/01.png", "images/02.png")
    assert scene.train.intrinsics.fx == 60.0


def test_points_seen_alike_by_two_views_are_one_place(folder: Path) -> None:
    """Rays through a known point's pixels, from all views, meet in one point of the scene."""
    scene, made = load(folder), views(COUNT)
    camera = scene.train.intrinsics
    for point in POINTS:
        axes, eyes = [], []
        for name, pose in zip(scene.train.names, scene.train.poses.astype(float), strict=True):
            view = made[int(Path(name).stem)]
            ((x, y),) = view.project(point[None], CAMERA)
            local = np.array([(x - camera.cx) / camera.fx, (camera.cy - y) / camera.fy, -1])
            axes.append(pose[:, :3] @ local / np.linalg.norm(local))
            eyes.append(pose[:, 3])
        across = np.eye(3) - np.array(axes)[:, :, None] * np.array(axes)[:, None]
        total, towards = across.sum(0), (across @ np.array(eyes)[..., None]).sum(0)[:, 0]
        met = np.linalg.solve(total, towards)
        misses = [np.linalg.norm(a @ (met - e)) for a, e in zip(across, eyes, strict=True)]
        assert max(misses) < 1e-5


def test_frames_without_image_are_counted(folder: Path) -> None:
    for name in ("03", "07"):
        (folder / "images" / f"{name}.png").unlink()
    scene = load(folder)
    assert scene.notes == ("2 of 20 frames have no image",)
    assert len(scene.train) + len(scene.test) == 18


def test_paths_of_windows_and_without_suffix_are_found(folder: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["frames"][0]["file_path"] = ".\\images\\19"
        content["frames"][1]["file_path"] = "./images/18.png"

    edit(folder, change)
    assert len(load(folder).train) == 17


def test_a_list_of_test_views_is_the_test_split(folder: Path) -> None:
    edit(folder, lambda c: c.update(test_filenames=["images/05.png", "./images/11.png"]))
    assert load(folder).test.names == ("images/05.png", "images/11.png")


def test_a_focal_length_may_be_an_angle_and_a_size_that_of_the_image(folder: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for key in ("fl_x", "fl_y", "w", "h", "cx", "cy"):
            del content[key]
        content["camera_angle_x"] = math.pi / 2

    edit(folder, change)
    camera = load(folder).train.intrinsics
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((32, 32, 32, 24))


def test_frames_have_lenses_of_their_own(folder: Path) -> None:
    edit(folder, lambda c: c["frames"][4].update(fl_x=66.0, k1=0.05))
    (note,) = load(folder).notes
    assert "images of 1 of 2 lenses are resampled" in note


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "camera_model is 'OPENCV_FISHEYE', which is not read"),
        ({"k3": 0.1}, r"describes a lens that is not read \(k3\)"),
        ({"is_fisheye": True}, "is_fisheye"),
        ({"fl_x": True}, "fl_x is True, not a number"),
        ({"fl_x": -1.0}, "has neither fl_x nor an angle"),
        ({"w": 0}, "images of 0×48 pixels"),
        ({"w": 48, "h": 64}, "calibrated at 48×64, the images are 64×48"),
        ({"frames": []}, "lists no views"),
        ({"test_filenames": "all"}, "test_filenames is no list of names"),
        ({"frames": [frame(0, "../00.png")]}, "lies outside the scene"),
        ({"frames": [frame(0, "gone.png")]}, "none of its 1 images is there"),
        ({"frames": [frame(0, "images/00.png")] * 2}, "lists 'images/00.png' twice"),
    ],
)
def test_what_cannot_be_read_is_refused(folder: Path, change: dict[str, Any], wrong: str) -> None:
    edit(folder, lambda content: content.update(change))
    with pytest.raises(SceneError, match=wrong):
        load(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = ("frames", "w", "h", "fl_x", "cx", "k1", "camera_model", "test_filenames", "camera_angle_x")


@given(key=st.sampled_from([*KEYS, "frame", "file_path", "transform_matrix"]), value=JSON)
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_file_is_one_error_or_a_scene(
    folder: Path, key: str, value: Any
) -> None:
    path = folder / "transforms.json"
    kept = path.read_text(encoding="utf-8")
    content = json.loads(kept)
    if key == "frame":
        content["frames"][2] = value
    elif key in ("file_path", "transform_matrix"):
        content["frames"][2][key] = value
    else:
        content[key] = value
    write(folder, content)
    try:
        with contextlib.suppress(SceneError):
            load(folder)
    finally:
        path.write_text(kept, encoding="utf-8")


@pytest.mark.scenes
def test_fox(scenes_root: Path) -> None:
    if not (scenes_root / "ngp" / "fox").is_dir():
        pytest.skip("needs ngp/fox below EFFBENCH_SCENES")
    scene = load(scenes_root / "ngp" / "fox")
    assert (len(scene.train), len(scene.test)) == (43, 7)
    assert scene.notes[0] == "17 of 67 frames have no image"
    assert "pixels move by up to 2.7 px" in scene.notes[1]
