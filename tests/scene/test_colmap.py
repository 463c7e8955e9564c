"""COLMAP models: known points land where COLMAP's own cameras see them; damage is one error."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from effbench.errors import SceneError
from effbench.scene import Intrinsics
from effbench.scene.colmap import Model, find_model, read_model
from effbench.scene.undistortion import Lens
from tests.colmap_model import POINTS, Camera, View, views, write_binary, write_text

CAMERA = Camera()


def seen_by(model: Model, view: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project points [P, 3] with a pose as effbench has it: x right, y up, along −z."""
    lens = model.lenses[model.cameras[view]].pinhole
    local = (points - model.poses[view, :, 3]) @ model.poses[view, :, :3]
    x = lens.cx + lens.fx * local[:, 0] / -local[:, 2]
    y = lens.cy - lens.fy * local[:, 1] / -local[:, 2]
    return np.stack([x, y], 1)


Write = Callable[..., None]


@pytest.mark.parametrize("write", [write_binary, write_text])
class TestBothForms:
    def test_known_points_are_seen_where_they_are(self, tmp_path: Path, write: Write) -> None:
        made = views()
        write(tmp_path, [CAMERA], made)
        model = read_model(tmp_path)
        assert model.names == tuple(sorted(view.name for view in made))
        np.testing.assert_allclose(model.points, POINTS)
        for index, view in enumerate(made):
            expected = view.project(POINTS, CAMERA)
            np.testing.assert_allclose(seen_by(model, index, POINTS), expected, atol=1e-6)

    def test_ids_in_any_order_and_several_cameras(self, tmp_path: Path, write: Write) -> None:
        cameras = [replace(CAMERA, number=900), replace(CAMERA, number=3, width=32)]
        made = [replace(view, camera=(900, 3)[i % 2]) for i, view in enumerate(views(4))]
        write(tmp_path, cameras, made)
        model = read_model(tmp_path)
        assert model.cameras == (900, 3, 900, 3)
        assert model.lenses[3].pinhole.width == 32

    def test_folders_spaces_and_other_scripts_in_names(self, tmp_path: Path, write: Write) -> None:
        names = ["b/küche 1.png", "a/küche 1.png", "写真.jpg"]
        write(tmp_path, [CAMERA], views(3, names))
        assert read_model(tmp_path).names == tuple(sorted(names))

    @pytest.mark.parametrize(
        ("model", "parameters", "lens"),
        [
            ("SIMPLE_PINHOLE", (50.0, 30.0, 20.0), (50.0, 50.0, 30.0, 20.0, (0, 0, 0, 0))),
            ("PINHOLE", (50.0, 51.0, 30.0, 20.0), (50.0, 51.0, 30.0, 20.0, (0, 0, 0, 0))),
            ("SIMPLE_RADIAL", (50.0, 30.0, 20.0, 0.1), (50.0, 50.0, 30.0, 20.0, (0.1, 0, 0, 0))),
            ("RADIAL", (50.0, 30.0, 20.0, 0.1, 0.2), (50.0, 50.0, 30.0, 20.0, (0.1, 0.2, 0, 0))),
            (
                "OPENCV",
                (50.0, 51.0, 30.0, 20.0, 0.1, 0.2, 0.3, 0.4),
                (50.0, 51.0, 30.0, 20.0, (0.1, 0.2, 0.3, 0.4)),
            ),
        ],
    )
    def test_every_lens_that_is_read(
        self, tmp_path: Path, write: Write, model: str, parameters: tuple[float, ...], lens: Any
    ) -> None:
        write(tmp_path, [replace(CAMERA, model=model, parameters=parameters)], views(2))
        assert read_model(tmp_path).lenses == {1: Lens(Intrinsics(64, 48, *lens[:4]), lens[4])}

    def test_other_lenses_are_refused_by_name(self, tmp_path: Path, write: Write) -> None:
        fov = replace(CAMERA, model="FOV", parameters=(50.0, 50.0, 32.0, 24.0, 0.9))
        write(tmp_path, [fov], views(2))
        with pytest.raises(SceneError, match=r"camera 1 is FOV, which is not read.*undistort"):
            read_model(tmp_path)

    @pytest.mark.parametrize(
        ("cameras", "made", "wrong"),
        [
            ([CAMERA], [], "lists no image"),
            ([CAMERA], views(1) + views(1), "lists 'img_000.png' twice"),
            ([CAMERA], [replace(views(1)[0], camera=5)], "is of camera 5, which is not there"),
            ([replace(CAMERA, width=0)], views(1), "has images of 0×48 pixels"),
            (
                [replace(CAMERA, parameters=(float("nan"), 1.0, 1.0, 1.0))],
                views(1),
                r"camera 1 has the parameters \(nan",
            ),
            (
                [CAMERA],
                [replace(views(1)[0], translation=np.array([0.0, np.inf, 0.0]))],
                "the pose of 'img_000.png' holds NaN, infinity or no rotation",
            ),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, tmp_path: Path, write: Write, cameras: list[Camera], made: list[View], wrong: str
    ) -> None:
        write(tmp_path, cameras, made)
        with pytest.raises(SceneError, match=wrong):
            read_model(tmp_path)


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    write_text(tmp_path, [CAMERA], views(3), end="\r\n")
    assert read_model(tmp_path).names == ("img_000.png", "img_001.png", "img_002.png")


def test_a_camera_of_less_than_a_pixel_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path, [CAMERA], views(1))
    path = tmp_path / "cameras.txt"
    path.write_text(path.read_text().replace(" 64 48 ", " 64 0.5 "))
    with pytest.raises(SceneError, match=r"camera 1 has images of 64×0\.5 pixels"):
        read_model(tmp_path)


def test_a_model_without_points_has_none(tmp_path: Path) -> None:
    write_binary(tmp_path, [CAMERA], views(3))
    (tmp_path / "points3D.bin").unlink()
    assert read_model(tmp_path).points.shape == (0, 3)


def test_binary_files_are_taken_before_text(tmp_path: Path) -> None:
    write_text(tmp_path, [CAMERA], views(3))
    write_binary(tmp_path, [CAMERA], views(5))
    assert len(read_model(tmp_path).names) == 5


class TestFinding:
    def test_the_first_model_else_the_largest_else_the_only_one(self, tmp_path: Path) -> None:
        with pytest.raises(SceneError, match=r"holds no COLMAP model.*sparse/0"):
            find_model(tmp_path)
        write_binary(tmp_path / "sparse", [CAMERA], views(2))
        assert find_model(tmp_path) == tmp_path / "sparse"
        write_binary(tmp_path / "sparse" / "1", [CAMERA], views(3))
        write_binary(tmp_path / "sparse" / "2", [CAMERA], views(6))
        assert find_model(tmp_path) == tmp_path / "sparse" / "2"
        write_binary(tmp_path / "sparse" / "0", [CAMERA], views(1))
        assert find_model(tmp_path) == tmp_path / "sparse" / "0"

    def test_a_folder_without_a_model_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SceneError, match=r"holds no cameras\.bin and no cameras\.txt"):
            read_model(tmp_path)


class TestDamage:
    @pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
    def test_a_huge_count_is_refused_before_anything_is_allocated(
        self, tmp_path: Path, name: str
    ) -> None:
        write_binary(tmp_path, [CAMERA], views(2))
        path = tmp_path / f"{name}.bin"
        path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
        with pytest.raises(SceneError, match=f"{name}.bin: says that {2**62} entries follow"):
            read_model(tmp_path)

    @given(data=st.data())
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_damage_is_a_scene_error_or_a_model(
        self, tmp_path: Path, data: st.DataObject
    ) -> None:
        form = data.draw(st.sampled_from([".bin", ".txt"]))
        for path in tmp_path.iterdir():
            path.unlink()
        (write_binary if form == ".bin" else write_text)(tmp_path, [CAMERA], views(3))
        path = tmp_path / f"{data.draw(st.sampled_from(['cameras', 'images', 'points3D']))}{form}"
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(bytes(content[:cut] if data.draw(st.booleans()) else content))
        with contextlib.suppress(SceneError):
            model = read_model(tmp_path)
            assert np.isfinite(model.poses).all()
            assert np.isfinite(model.points).all()
