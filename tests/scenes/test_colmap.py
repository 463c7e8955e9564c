"""Captures with COLMAP's poses: what is read, how it is split, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Scene
from effbench.scene.cameras import check_sight
from tests.colmap_model import POINTS, Camera, View, views, write_binary

CAMERA = Camera()
WIDTH, HEIGHT = CAMERA.width, CAMERA.height


def write_images(folder: Path, names: Sequence[str], factor: int = 1) -> None:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (HEIGHT // factor, WIDTH // factor, 3)
        pixels = np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def write_scene(root: Path, made: Sequence[View], camera: Camera = CAMERA) -> Path:
    folder = root / "colmap" / "mine"
    write_binary(folder / "sparse" / "0", [camera], made, np.repeat(POINTS, 10, 0))
    write_images(folder / "images", [view.name for view in made])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_scene(tmp_path, views(20))


def load(folder: Path, **params: Any) -> Scene:
    source = discover().source(folder.parent.name)
    return source.load(folder.name, folder.parents[1], source.Config(**params))


def test_every_eighth_image_by_name_is_for_testing(folder: Path) -> None:
    scene = load(folder)
    assert scene.test.names == ("img_000.png", "img_008.png", "img_016.png")
    assert len(scene.train) == 17
    assert not set(scene.train.names) & set(scene.test.names)
    check_sight(scene)
    assert scene.opaque


def test_validation_holds_training_views_out_and_leaves_the_test_views_alone(folder: Path) -> None:
    scene, plain = load(folder, split="val"), load(folder)
    assert not set(scene.test.names) & {*scene.train.names, *plain.test.names}
    assert {*scene.test.names, *scene.train.names} == set(plain.train.names)


def test_known_points_are_where_the_images_show_them(folder: Path) -> None:
    scene, made = load(folder), views(20)
    by_name = {view.name: view for view in made}
    # the middle, up and size of the scene are its own: pixels are not
    put = _placed(scene, made)
    for name, pose in zip(scene.train.names, scene.train.poses, strict=True):
        camera = scene.train.intrinsics
        local = (put - pose[:, 3]) @ pose[:, :3]
        x = camera.cx + camera.fx * local[:, 0] / -local[:, 2]
        y = camera.cy - camera.fy * local[:, 1] / -local[:, 2]
        expected = by_name[name].project(POINTS, CAMERA)
        np.testing.assert_allclose(np.stack([x, y], 1), expected, atol=1e-3)


def _placed(scene: Scene, made: Sequence[View]) -> np.ndarray[Any, Any]:
    """Put POINTS into the scene's frame by a similarity fitted to the cameras."""
    eyes = {v.name: -v.rotation.T @ v.translation for v in made}
    before = np.stack([eyes[name] for name in scene.train.names])
    after = scene.train.poses[:, :, 3].astype(float)
    a, b = before - before.mean(0), after - after.mean(0)
    u, s, vt = np.linalg.svd(a.T @ b)
    turn = (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt).T
    scale = s.sum() / (a**2).sum()
    return scale * (POINTS - before.mean(0)) @ turn.T + after.mean(0)


def test_smaller_images_scale_each_axis_by_its_own_ratio(folder: Path) -> None:
    write_images(folder / "images_2", [view.name for view in views(20)], factor=2)
    camera = load(folder, images="images_2").train.intrinsics
    assert (camera.width, camera.height) == (32, 24)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (30.0, 31.0, 16.25, 11.5)
    halved = load(folder, downscale=2).train.intrinsics
    assert halved == camera


def test_copies_with_other_suffixes_or_names_are_taken_in_order(folder: Path) -> None:
    write_images(folder / "images_2", [f"img_{i:03}.JPG" for i in range(20)], factor=2)
    assert len(load(folder, images="images_2").train) == 17
    write_images(folder / "images_4", [f"{i:05}.png" for i in range(20)], factor=4)
    assert len(load(folder, images="images_4").train) == 17


def test_images_without_pose_and_poses_without_image_are_noted(folder: Path) -> None:
    write_images(folder / "images", ["unregistered.png"])
    (folder / "images" / "img_003.png").unlink()
    scene = load(folder)
    assert scene.notes == (
        "1 images of the model are not there",
        "1 images have no pose and are left out",
    )
    assert len(scene.train) + len(scene.test) == 19


def test_names_longer_than_the_system_has_are_of_no_image(folder: Path) -> None:
    made = views(20, [*(f"img_{i:03}.png" for i in range(19)), f"{'9' * 300}.png"])
    write_binary(folder / "sparse" / "0", [CAMERA], made, np.repeat(POINTS, 10, 0))
    assert "1 images of the model are not there" in load(folder).notes


def test_a_distorted_lens_is_resampled_and_said_so(tmp_path: Path) -> None:
    lens = (60.0, 62.0, 32.5, 23.0, 0.06, -0.08, 0.001, 0.0)
    folder = write_scene(tmp_path, views(20), replace(CAMERA, model="OPENCV", parameters=lens))
    (note,) = load(folder).notes
    assert "1 of 1 lenses are resampled onto their pinholes: pixels move by up to" in note


def test_every_camera_stays_itself_portrait_beside_landscape(tmp_path: Path) -> None:
    """Known points are seen by each camera where its own images show them."""
    upright = Camera(2, "PINHOLE", 48, 64, (70.0, 71.0, 23.5, 33.0))
    by_number = {1: CAMERA, 2: upright}
    made = [replace(view, camera=1 + i % 2) for i, view in enumerate(views(20))]
    folder = tmp_path / "colmap" / "mine"
    write_binary(folder / "sparse" / "0", [CAMERA, upright], made, np.repeat(POINTS, 10, 0))
    (folder / "images").mkdir()
    for view in made:
        camera = by_number[view.camera]
        Image.new("RGB", (camera.width, camera.height)).save(folder / "images" / view.name)
    scene = load(folder)
    assert "images have 2 sizes: 64×48 (10), 48×64 (10)" in scene.notes
    assert {image.shape for image in map(scene.train.image, range(17))} == {
        (48, 64, 3),
        (64, 48, 3),
    }
    put = _placed(scene, made)
    seen = {view.name: view for view in made}
    for name, pose, own in zip(
        scene.train.names, scene.train.poses, scene.train.cameras, strict=True
    ):
        local = (put - pose[:, 3]) @ pose[:, :3]
        x = own.cx + own.fx * local[:, 0] / -local[:, 2]
        y = own.cy - own.fy * local[:, 1] / -local[:, 2]
        expected = seen[name].project(POINTS, by_number[seen[name].camera])
        np.testing.assert_allclose(np.stack([x, y], 1), expected, atol=1e-3)
    halved = load(folder, downscale=2)
    assert set(halved.test.sizes) == {(32, 24)}  # views 0, 8 and 16
    assert set(halved.train.sizes) == {(32, 24), (24, 32)}


def test_equal_base_names_in_subfolders_are_told_apart(tmp_path: Path) -> None:
    names = [f"{side}/{i}.png" for side in "ab" for i in range(8)]
    scene = load(write_scene(tmp_path, views(16, names)))
    assert len(scene.train) + len(scene.test) == 16


def test_rays_begin_before_the_nearest_point(folder: Path) -> None:
    scene = load(folder)
    assert 0.2 < scene.near < 1
    (folder / "sparse" / "0" / "points3D.bin").unlink()
    assert load(folder).near == 0.2


def test_the_manifest_is_that_of_the_files(folder: Path) -> None:
    source = discover().source("colmap")
    asked = source.manifest("mine", folder.parents[1], source.Config())
    assert asked == load(folder).manifest
    write_images(folder / "images", ["img_001.png"])
    assert load(folder).manifest != asked


@pytest.mark.parametrize(
    ("names", "params", "wrong"),
    [
        (["../out.png"], {}, "lies outside the scene"),
        (["/etc/out.png"], {}, "lies outside the scene"),
        (None, {"images": "images_3"}, r"images_3: there is no such folder.*name one of these: im"),
        (None, {"box": -1.0}, "box=-1.0 is no half side"),
        (None, {"downscale": 3}, "downscale 3 does not fit"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, names: list[str] | None, params: dict[str, Any], wrong: str
) -> None:
    made = views(1, names) if names else views(20)
    folder = tmp_path / "colmap" / "mine"
    write_binary(folder / "sparse" / "0", [CAMERA], made)
    write_images(folder / "images", [view.name for view in views(20)])
    with pytest.raises(SceneError, match=wrong):
        load(folder, **params)


def test_a_folder_of_the_wrong_images_is_refused(folder: Path) -> None:
    for path in list((folder / "images").iterdir())[:15]:
        path.unlink()
    with pytest.raises(SceneError, match=r"15 of 20 images are not there, such as"):
        load(folder)


def test_images_of_another_shape_than_the_camera_are_refused(folder: Path) -> None:
    for view in views(20):
        Image.new("RGB", (48, 64)).save(folder / "images" / view.name)
    with pytest.raises(SceneError, match="calibrated at 64×48, the images are 48×64"):
        load(folder)


def test_standard_scenes_are_listed_and_their_absence_explained(tmp_path: Path) -> None:
    source = discover().source("mipnerf360")
    entries = {entry.name: entry for entry in source.entries(tmp_path)}
    assert "bonsai" in entries
    assert not entries["bonsai"].available
    assert "EFFBENCH_SCENES" in entries["bonsai"].reason


@pytest.mark.scenes
def test_bonsai(scenes_root: Path) -> None:
    if not (scenes_root / "mipnerf360" / "bonsai").is_dir():
        pytest.skip("needs mipnerf360/bonsai below EFFBENCH_SCENES")
    scene = load(scenes_root / "mipnerf360" / "bonsai")
    assert (len(scene.train), len(scene.test)) == (220, 32)
    assert scene.train.images.shape[1:] == (266, 400, 3)
    camera = scene.train.intrinsics
    assert camera.fx == pytest.approx(822.791 / 1.9975, abs=0.01)
    assert camera.fy == pytest.approx(821.749 / 2, abs=0.01)
    distance = np.linalg.norm(scene.train.poses[:, :, 3], axis=1)
    assert 0.8 < distance.min() < distance.max() < 1.2
    check_sight(scene)
