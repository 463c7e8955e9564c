"""Photographs get their poses from COLMAP: a fake one here, that says what the real one says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from effbench.datasets import importing, photographs
from effbench.datasets.importing import Wanted
from effbench.errors import ConfigError, SceneError
from effbench.files import cache_folder
from effbench.planning.registry import discover
from tests.datasets import fake_colmap, made
from tests.datasets.silent import Silent


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photographs, on a machine where COLMAP is installed."""
    fake_colmap.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
    made.pixels(tmp_path / "photos")
    return tmp_path / "photos"


def take(photos: Path, *, link: bool = False) -> Silent:
    progress = Silent()
    root = photos.with_name("scenes")
    importing.import_scene(Wanted(photos, "mine", link=link), root, discover(), progress)
    return progress


def test_the_largest_model_is_kept_and_progress_is_told(photos: Path) -> None:
    progress = take(photos)
    scene = photos.with_name("scenes") / "colmap" / "mine"
    assert sorted(path.name for path in scene.iterdir()) == ["images", "sparse"]
    assert [path.name for path in (scene / "sparse").iterdir()] == ["0"]
    assert "19 of 20 photographs have a pose" in progress.said
    assert progress.counted["finding features"] == (20, 20)
    assert progress.counted["matching"] == (1, 1)
    assert progress.counted["finding poses"] == (19, 20)
    assert not list((cache_folder() / "colmap").iterdir())


def test_photographs_may_be_linked(photos: Path) -> None:
    take(photos, link=True)
    images = photos.with_name("scenes") / "colmap" / "mine" / "images"
    assert images.resolve() == photos


def test_what_is_to_be_shown_turned_is_turned_in_a_copy(photos: Path) -> None:
    for path in photos.iterdir():
        with Image.open(path) as image:
            exif = image.getexif()
            exif[0x0112] = 6  # a quarter turn
            image.save(path, exif=exif)
    with pytest.raises(SceneError, match=r"20 of 20 photographs.*leave --link out"):
        take(photos, link=True)
    assert "20 photographs were turned as their EXIF data says" in take(photos).said
    images = photos.with_name("scenes") / "colmap" / "mine" / "images"
    with Image.open(images / made.NAMES[0]) as turned:
        assert turned.size == (48, 64)
        assert turned.getexif().get(0x0112, 1) == 1


def test_steps_have_the_options_that_this_colmap_knows(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_COLMAP", "fail")
    with pytest.raises(SceneError):
        take(photos)
    (database,) = (cache_folder() / "colmap").glob("*/database.db")
    extract, match, _ = database.read_text().splitlines()
    assert "--ImageReader.camera_model OPENCV --ImageReader.single_camera 1" in extract
    assert "--SiftExtraction.use_gpu" in extract
    assert match.startswith("exhaustive_matcher ")
    assert "--SiftMatching.use_gpu" in match


def test_a_failure_names_the_log_and_keeps_what_was_found(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_COLMAP", "fail")
    with pytest.raises(SceneError, match=r"log\.txt: COLMAP's mapper failed .*the sky has fallen"):
        take(photos)
    assert not list((photos.with_name("scenes") / "colmap").iterdir())
    monkeypatch.delenv("FAKE_COLMAP")
    (kept,) = (cache_folder() / "colmap").iterdir()
    take(photos)
    assert not kept.exists()


def test_photographs_without_anything_in_common_are_answered(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_COLMAP", "none")
    with pytest.raises(SceneError, match="COLMAP found no poses"):
        take(photos)


def test_without_colmap_it_says_what_to_install(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "PROGRAM", "no-such-program")
    with pytest.raises(ConfigError, match="apt install colmap"):
        take(photos)
