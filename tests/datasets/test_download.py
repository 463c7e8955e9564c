"""Downloads: checked, resumed where they were cut, and clear about what went wrong."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from effbench.datasets import download, sizes
from effbench.errors import SceneError
from tests.datasets.server import Server, serving

DATA = np.random.default_rng(0).bytes(3_000_000)
PART = 1 << 20  # bytes
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as served:
        served.files["/a.zip"] = DATA
        yield served


def fetch(server: Server, folder: Path, sha256: str | None = SHA256, name: str = "a.zip") -> Path:
    path = folder / "downloads" / name
    return download.fetch(f"{server.url}/{name}", path, sha256, lambda *_: None, lambda _: None)


def test_a_file_comes_as_it_is_and_only_once(server: Server, tmp_path: Path) -> None:
    path = fetch(server, tmp_path)
    assert path.read_bytes() == DATA
    fetch(server, tmp_path)
    assert server.requests == [("/a.zip", None)]
    left = {each.name for each in path.parent.iterdir()} - {"a.zip.lock"}
    assert left == {"a.zip"}


def test_progress_is_told_in_bytes(server: Server, tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    report = lambda done, total: steps.append((done, total))  # noqa: E731
    download.fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256, report)
    assert steps[0] == (0, len(DATA))
    assert steps[-1] == (len(DATA), len(DATA))


def test_a_cut_line_is_taken_up_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cuts = [PART, PART]
    assert fetch(server, tmp_path).read_bytes() == DATA
    asked = [wanted for _, wanted in server.requests]
    assert asked == [None, f"bytes={PART}-", f"bytes={2 * PART}-"]


def test_a_later_command_goes_on_from_the_part_that_was_kept(
    server: Server, tmp_path: Path
) -> None:
    server.cuts = [PART, *[0] * 5]
    with pytest.raises(
        SceneError, match=r"\(the line was cut\); 1.0 MB are in .*a\.zip\.part.* goes on"
    ):
        fetch(server, tmp_path)
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert server.requests[-1] == ("/a.zip", f"bytes={PART}-")


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.cuts = [PART]
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_another_version_of_a_file_begins_anew(server: Server, tmp_path: Path) -> None:
    """Without a checksum only what the server calls its version tells two files apart."""
    server.cuts = [PART, *[0] * 5]
    with pytest.raises(SceneError):
        fetch(server, tmp_path, None)
    server.files["/a.zip"] = other = DATA[::-1]
    assert fetch(server, tmp_path, None).read_bytes() == other


def test_a_part_that_is_the_whole_file_is_enough(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "downloads" / "a.zip.part"
    part.parent.mkdir()
    part.write_bytes(DATA)
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_a_part_that_is_longer_begins_anew(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "downloads" / "a.zip.part"
    part.parent.mkdir()
    part.write_bytes(DATA + b"more")
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_a_wrong_checksum_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="another SHA-256 than the 000000000000…"):
        fetch(server, tmp_path, "0" * 64)
    assert not list((tmp_path / "downloads").glob("*.part"))
    assert not (tmp_path / "downloads" / "a.zip").exists()


def test_a_file_that_is_not_there_is_refused_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(download.Refused, match="answers 404 Not Found"):
        fetch(server, tmp_path, name="b.zip")
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(download.Refused, match=r"127\.0\.0\.1:9/a\.zip: did not come \(no conn"):
        fetch(Server("http://127.0.0.1:9"), tmp_path)


def test_a_full_disk_keeps_the_part(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() > 1_000_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    real = Path.open

    def opened(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        full = path.suffix == ".part" and mode in ("wb", "ab")
        return Full(path, mode[:1]) if full else real(path, mode, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(SceneError, match=r"No space left on device.*free disk space"):
            fetch(server, tmp_path)
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert (server.requests[-1][1] or "").startswith("bytes=1")


def test_a_disk_that_is_too_small_is_told_before(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "free", lambda _: 2_000_000)
    with pytest.raises(SceneError, match=r"the file takes 3.0 MB, and 2.0 MB are free"):
        fetch(server, tmp_path)


def test_two_commands_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    held = FileLock(tmp_path / "downloads" / "a.zip.lock", is_singleton=False)
    with held, pytest.raises(SceneError, match="is being downloaded by another command"):
        fetch(server, tmp_path)


def test_the_length_of_a_file_is_what_the_server_says(server: Server) -> None:
    assert download.length(f"{server.url}/a.zip") == len(DATA)
    assert download.length(f"{server.url}/b.zip") is None
