"""poses_bounds.npy: axes, sizes and depths of its rows, their images, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from effbench.errors import SceneError
from effbench.planning.registry import discover
from effbench.scene import Scene
from tests.colmap_model import POINTS, Camera, View, views

COUNT = 18
FOCAL, NEAR, FAR = 60.0, 2.0, 8.0
CAMERA = Camera(parameters=(FOCAL, FOCAL, 32.0, 24.0))  # LLFF knows no other principal point
NAMES = [f"IMG_{index:02}.png" for index in range(COUNT)]
Rows = NDArray[np.float64]


def row(view: View) -> Rows:
    """A view as LLFF writes it: axes down, right, backward; height, width, focal; depths."""
    right, down, forward = view.rotation
    centre = -view.rotation.T @ view.translation
    matrix = np.stack([down, right, -forward, centre, [48, 64, FOCAL]], 1)
    return np.concatenate([matrix.ravel(), [NEAR, FAR]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "llff" / "mine"
    for images, divisor in (("images", 1), ("images_4", 4)):
        (folder / images).mkdir(parents=True)
        for index, name in enumerate(NAMES):
            size = (48 // divisor, 64 // divisor, 3)
            pixels = np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / images / name)
    np.save(folder / "poses_bounds.npy", np.stack([row(view) for view in views(COUNT)]))
    return folder


def edit(folder: Path, change: Callable[[Rows], Any]) -> None:
    """Write what `change` returns of the rows, or the rows that it has changed."""
    rows = np.load(folder / "poses_bounds.npy")
    changed = change(rows)
    np.save(folder / "poses_bounds.npy", rows if changed is None else changed)


def load(folder: Path, **params: Any) -> Scene:
    source = discover().source("llff")
    return source.load(folder.name, folder.parents[1], source.Config(**params))


def test_every_eighth_image_in_the_order_of_names_is_for_testing(folder: Path) -> None:
    scene = load(folder)
    assert scene.test.names == ("images/IMG_00.png", "images/IMG_08.png", "images/IMG_16.png")
    assert scene.train.names[:2] == ("images/IMG_01.png", "images/IMG_02.png")
    first = np.asarray(Image.open(folder / "images" / NAMES[1]))
    np.testing.assert_array_equal(scene.train.images[0], first)


@pytest.mark.parametrize("images", ["images", "images_4"])
def test_points_seen_alike_by_two_views_are_one_place(folder: Path, images: str) -> None:
    """Rays through a known point's pixels, from all views, meet in one point of the scene."""
    scene, made = load(folder, images=images), dict(zip(NAMES, views(COUNT), strict=True))
    camera = scene.train.intrinsics
    for point in POINTS:
        axes, eyes = [], []
        for name, pose in zip(scene.train.names, scene.train.poses.astype(float), strict=True):
            ((x, y),) = made[Path(name).name].project(point[None], CAMERA) * camera.width / 64
            local = np.array([(x - camera.cx) / camera.fx, (camera.cy - y) / camera.fy, -1])
            axes.append(pose[:, :3] @ local / np.linalg.norm(local))
            eyes.append(pose[:, 3])
        across = np.eye(3) - np.array(axes)[:, :, None] * np.array(axes)[:, None]
        total, towards = across.sum(0), (across @ np.array(eyes)[..., None]).sum(0)[:, 0]
        met = np.linalg.solve(total, towards)
        misses = [np.linalg.norm(a @ (met - e)) for a, e in zip(across, eyes, strict=True)]
        assert max(misses) < 1e-5


def test_the_focal_length_is_scaled_to_the_size_of_the_images(folder: Path) -> None:
    camera = load(folder, images="images_4").train.intrinsics
    assert (camera.width, camera.height) == (16, 12)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (15, 15, 8, 6)


def test_rays_begin_before_the_nearest_depth_of_a_training_view(folder: Path) -> None:
    """The cameras are 4 from the middle, which becomes 1; test views say nothing."""

    def nearer(rows: Rows) -> None:
        rows[0, 15], rows[1, 15] = 0.1, 1.0

    edit(folder, nearer)
    assert load(folder).near == pytest.approx(0.55 * 1.0 / 4, rel=1e-6)


def test_standard_scenes_are_read_at_a_quarter_others_at_full_size(folder: Path) -> None:
    assert load(folder).train.intrinsics.width == 64
    fern = folder.rename(folder.parent / "fern")
    assert load(fern).train.intrinsics.width == 16


def test_arrays_of_other_precision_byte_order_and_layout_are_read(folder: Path) -> None:
    plain = load(folder).train.poses
    for kind in ("<f4", ">f8"):
        edit(folder, lambda rows, kind=kind: np.asfortranarray(rows.astype(kind)))  # type: ignore[misc]
        np.testing.assert_allclose(load(folder).train.poses, plain, atol=1e-5)


def test_the_manifest_is_that_of_loading_and_of_all_files(folder: Path) -> None:
    source = discover().source("llff")
    before = source.manifest("mine", folder.parents[1], source.Config())
    assert before == load(folder).manifest
    edit(folder, lambda rows: rows[::-1])
    assert load(folder).manifest != before


def put(row: int, column: int, value: float) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[row, column] = value

    return change


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda rows: rows[:-1], "has 17 rows, but there are 18 images in .*images"),
        (lambda rows: rows[:, :-1], r"has the shape \(18, 16\), not \(images, 17\)"),
        (lambda rows: rows[0], r"has the shape \(17,\)"),
        (lambda rows: rows.astype(np.int64), "holds int64, not floating point"),
        (put(3, 0, np.nan), "row 3 holds NaN or infinity"),
        (put(3, 15, 0.0), "row 3 has depths from 0 to 8"),
        (put(3, 16, 1.0), "row 3 has depths from 2 to 1"),
        (put(3, 4, 0.5), "row 3 has images of 64×0.5 pixels"),
        (put(3, 14, -60.0), "focal length -60"),
        (put(3, 0, 2.0), "the pose of row 3 is not rigid"),
        (put(0, 9, 480.0), "calibrated at 480×48, the images are 64×48"),
    ],
)
def test_what_cannot_be_read_is_refused(folder: Path, change: Any, wrong: str) -> None:
    edit(folder, change)
    with pytest.raises(SceneError, match=wrong):
        load(folder)


class Trap:
    """What pickle would do when it reads this: write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_pickled_objects_are_refused_unread(folder: Path, tmp_path: Path) -> None:
    objects = np.array([[Trap(tmp_path / "sprung")] * 17] * COUNT, object)
    np.save(folder / "poses_bounds.npy", objects, allow_pickle=True)
    with pytest.raises(SceneError, match="holds object"):
        load(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (lambda data: data[:-100], "says 18 rows, but has 2348 bytes"),
        (lambda data: data.replace(b"(18, 17)", b"(9**9**9)"), "is no array of numpy"),
        (lambda data: data.replace(b"(18, 17), ", b"(99999999,17),"), "is no array|says 99999999"),
        (lambda data: b"PK\x03\x04" + data, "is no array of numpy"),
        (lambda data: data + bytes(1 << 24), "more than the 16777216 of such a file"),
        (lambda data: data[:0], "is no array of numpy"),
    ],
)
def test_damaged_files_are_refused(
    folder: Path, damage: Callable[[bytes], bytes], wrong: str
) -> None:
    path = folder / "poses_bounds.npy"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SceneError, match=wrong):
        load(folder)


def test_folders_of_images_lie_in_the_scene(folder: Path) -> None:
    with pytest.raises(SceneError, match="lies outside the scene"):
        load(folder, images="../mine/images")
    with pytest.raises(SceneError, match="name one of these: images, images_4"):
        load(folder, images="images_2")
