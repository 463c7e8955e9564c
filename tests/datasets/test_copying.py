"""Copies hold what belongs to a scene, and nothing that could not be copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from effbench.datasets import copying, sizes
from effbench.errors import SceneError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").write_bytes(b"image")
    (folder / "images" / ".hidden").write_bytes(b"")
    (folder / "database.db").write_bytes(b"large")
    return folder


def copied(source: Path, *parts: str) -> dict[str, bytes]:
    target = source.with_name("target")
    copying.copy(source, parts, target, lambda *_: None)
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


def test_only_what_belongs_to_it_is_copied(source: Path) -> None:
    assert copied(source, "images*", "sparse") == {"images/a.png": b"image"}


def test_links_are_followed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.png").write_bytes(b"other")
    (source / "images_2").symlink_to(tmp_path / "elsewhere")
    assert copied(source, "images*") == {"images/a.png": b"image", "images_2/b.png": b"other"}


def test_what_cannot_be_copied_is_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "images" / "again").symlink_to(source)
    with pytest.raises(SceneError, match="again: is a link to a folder that it lies in"):
        copied(source, "*")
    (source / "images" / "again").unlink()
    os.mkfifo(source / "images" / "pipe")
    with pytest.raises(SceneError, match="pipe: is no regular file"):
        copied(source, "*")
    (source / "images" / "pipe").unlink()
    monkeypatch.setattr(sizes, "free", lambda _: 1)
    with pytest.raises(SceneError, match=r"a copy of .* takes 10 bytes"):
        copied(source, "*")
