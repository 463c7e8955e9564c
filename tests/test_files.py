"""Atomic writing: the old file or the new one, and nothing else, whatever goes wrong."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest

from effbench import files
from effbench.errors import EffbenchError


def test_text_and_json_are_written_into_folders_that_are_made(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a" / "b.txt", "ü\n")
    files.write_json(tmp_path / "a" / "b.json", {"x": [1, None, "σ"]})
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\xc3\xbc\n"
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {"x": [1, None, "σ"]}
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["b.json", "b.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_temporary(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    files.write_text(path, "old")

    def fail(*_: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(EffbenchError, match=r"record\.json.*No space left.*free disk space"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(EffbenchError, match=r"taken/x\.txt: cannot be written"):
        files.write_text(tmp_path / "taken" / "x.txt", "")


def test_a_failed_json_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    files.write_json(path, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, math.nan)
    with pytest.raises(TypeError, match="not JSON serializable"):
        files.write_json(path, {1, 2})
    assert json.loads(path.read_text()) == 1


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFBENCH_CACHE", "~/kept")
    assert files.cache_folder() == Path.home() / "kept"


def test_a_user_without_a_home_has_a_cache_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EFFBENCH_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: "~/.cache/effbench")
    found = files.cache_folder()
    assert found.is_absolute()
    assert found.parent == Path(tempfile.gettempdir())
    assert found.name.startswith("effbench-")
