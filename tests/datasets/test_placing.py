"""A scene is put in place whole, and one that was there is lost only to a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.datasets import placing
from effbench.errors import SceneError

SCENE = "colmap/mine"


def stage_one(stage: Path, text: str) -> None:
    (stage / SCENE).mkdir(parents=True)
    (stage / SCENE / "a.txt").write_text(text)


def test_a_scene_appears_and_its_staging_goes(tmp_path: Path) -> None:
    with placing.staging(tmp_path, SCENE) as stage:
        stage_one(stage, "new")
        assert not placing.is_there(tmp_path, SCENE)
        placing.put(stage, tmp_path, SCENE, force=False)
    assert [p.name for p in (tmp_path / "colmap").iterdir()] == ["mine"]
    assert (tmp_path / SCENE / "a.txt").read_text() == "new"


def test_a_scene_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    stage_one(tmp_path, "old")
    with placing.staging(tmp_path, SCENE) as stage:
        stage_one(stage, "new")
        with pytest.raises(SceneError, match=r"is there already.*pass --force"):
            placing.put(stage, tmp_path, SCENE, force=False)
        assert (tmp_path / SCENE / "a.txt").read_text() == "old"
        placing.put(stage, tmp_path, SCENE, force=True)
    assert (tmp_path / SCENE / "a.txt").read_text() == "new"
    assert [p.name for p in (tmp_path / "colmap").iterdir()] == ["mine"]


def test_what_was_there_comes_back_when_its_place_cannot_be_taken(tmp_path: Path) -> None:
    stage_one(tmp_path, "old")
    with placing.staging(tmp_path, SCENE) as stage, pytest.raises(SceneError, match="mine: cannot"):
        placing.put(stage, tmp_path, SCENE, force=True)  # nothing was staged
    assert (tmp_path / SCENE / "a.txt").read_text() == "old"


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    stage_one(tmp_path / "elsewhere", "theirs")
    (tmp_path / "colmap").mkdir()
    (tmp_path / SCENE).symlink_to(tmp_path / "elsewhere" / SCENE)
    with placing.staging(tmp_path, SCENE) as stage:
        stage_one(stage, "new")
        placing.put(stage, tmp_path, SCENE, force=True)
    assert (tmp_path / SCENE / "a.txt").read_text() == "new"
    assert (tmp_path / "elsewhere" / SCENE / "a.txt").read_text() == "theirs"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "colmap").write_text("a file")
    with (
        pytest.raises(SceneError, match="colmap: cannot be written"),
        placing.staging(tmp_path, SCENE),
    ):
        pass
