"""What was downloaded is known again; a file that says nonsense is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.datasets import checksums
from effbench.errors import SceneError

SHA = "ab" * 32


def test_what_was_noted_is_known_again(tmp_path: Path) -> None:
    assert checksums.of_download(tmp_path, "http://here/a.zip") is None
    checksums.note_download(tmp_path, "http://here/a.zip", SHA, 123)
    checksums.note_scene(tmp_path, "colmap/mine", SHA[::-1])
    assert checksums.of_download(tmp_path, "http://here/a.zip") == SHA
    assert checksums.of_scene(tmp_path, "colmap/mine") == SHA[::-1]
    assert checksums.of_scene(tmp_path, "colmap/other") is None


@pytest.mark.parametrize(
    "text", ["[", "[]", '{"downloads": []}', '{"scenes": {"a": 1}}', '{"scenes": {"a": {}}}']
)
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "checksums.json").write_text(text)
    with pytest.raises(SceneError, match=r"checksums\.json: .* To fix it, "):
        checksums.of_scene(tmp_path, "colmap/mine")
