"""Folders are recognised by what lies in them, and what is none is answered with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from effbench.datasets import layouts
from effbench.errors import ConfigError, SceneError
from tests.datasets import made


@pytest.mark.parametrize(
    ("make", "family"),
    [
        (made.colmap, "colmap"),
        (made.ngp, "ngp"),
        (made.llff, "llff"),
        (made.blender, "nerf_synthetic"),
    ],
)
def test_every_layout_is_recognised(
    make: Callable[[Path], Path], family: str, tmp_path: Path
) -> None:
    folder = make(tmp_path / "mine")
    assert [layout.family for layout in layouts.recognise(folder)] == [family]


def test_a_folder_of_two_layouts_is_the_one_with_points_or_the_one_asked_for(
    tmp_path: Path,
) -> None:
    made.ngp(made.colmap(tmp_path))
    assert [layout.family for layout in layouts.recognise(tmp_path)] == ["colmap", "ngp"]
    for asked, family in ((None, "colmap"), ("ngp", "ngp")):
        layout = layouts.chosen(tmp_path, asked)
        assert layout is not None
        assert layout.family == family
    with pytest.raises(SceneError, match=r"has no poses_bounds\.npy"):
        layouts.chosen(tmp_path, "llff")


@pytest.mark.parametrize("below", [".", "images"])
def test_photographs_alone_have_no_layout(below: str, tmp_path: Path) -> None:
    made.pixels(tmp_path / below)
    assert layouts.chosen(tmp_path, None) is None
    assert len(layouts.photographs(tmp_path)) == made.COUNT


def test_a_video_is_answered_with_the_command_that_makes_frames(tmp_path: Path) -> None:
    video = tmp_path / "my walk.MOV"
    video.touch()
    with pytest.raises(ConfigError) as caught:
        layouts.chosen(video, None)
    assert f"ffmpeg -i '{video}' -vf fps=2 -q:v 2 '{tmp_path}/my walk-frames'/%04d.jpg" in str(
        caught.value
    )


def test_what_is_none_of_it_is_answered(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="no such file or folder"):
        layouts.chosen(tmp_path / "nowhere", None)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SceneError, match="neither a folder nor a video"):
        layouts.chosen(tmp_path / "notes.txt", None)
    with pytest.raises(SceneError, match="holds no scene: none of transforms_train"):
        layouts.chosen(tmp_path, None)
    made.pixels(tmp_path, ["a.png"])
    with pytest.raises(SceneError, match=r"holds 1 photographs.*at least 8"):
        layouts.chosen(tmp_path, None)
    (tmp_path / "b.HEIC").touch()
    with pytest.raises(SceneError, match=r"not read \(\.heic\).*convert them"):
        layouts.chosen(tmp_path, None)
    made.ngp(tmp_path / "fox")
    with pytest.raises(SceneError, match=r"its folders do.*fox"):
        layouts.chosen(tmp_path, None)
