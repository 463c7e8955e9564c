"""A scene's files out of a zip on a server: nothing else comes, and a cut costs one file."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from effbench.datasets import members, sizes
from effbench.errors import SceneError
from tests.datasets.server import Server, serving

NOISE = {f"set/one/{i}.png": np.random.default_rng(i).bytes(50_000) for i in range(4)}
OTHERS = {f"set/two/{i}.png": np.random.default_rng(9 + i).bytes(200_000) for i in range(4)}


def packed(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as served:
        served.files["/all.zip"] = packed(*OTHERS.items(), *NOISE.items())
        yield served


def fetch(server: Server, target: Path) -> list[tuple[int, int]]:
    """Get set/one without waiting; return what was reported."""
    told: list[tuple[int, int]] = []
    members.fetch(
        f"{server.url}/all.zip",
        "set/one",
        target,
        lambda done, total: told.append((done, total)),
        lambda _: None,
    )
    return told


def there(target: Path) -> dict[str, bytes]:
    return {f"set/one/{path.name}": path.read_bytes() for path in target.iterdir()}


def test_what_a_folder_takes_is_known_before(server: Server) -> None:
    size = members.size(f"{server.url}/all.zip", ["set/one"])
    assert size == pytest.approx(200_000, rel=1e-3)
    assert members.size(f"{server.url}/all.zip", ["set/none"]) is None


def test_the_folders_files_come_and_nothing_else(server: Server, tmp_path: Path) -> None:
    told = fetch(server, tmp_path / "one")
    assert there(tmp_path / "one") == NOISE
    assert told[0] == (0, 200_000)
    assert told[-1] == (200_000, 200_000)
    assert len(server.requests) == 1 + len(NOISE)


def test_a_cut_line_costs_the_file_that_it_cut(server: Server, tmp_path: Path) -> None:
    everything = 1 << 30
    server.cuts = [everything, everything, 20_000]
    fetch(server, tmp_path / "one")
    assert there(tmp_path / "one") == NOISE
    assert len(server.requests) == 1 + 2 + 1 + 3  # directory, a file and a cut one, the rest anew


def test_a_later_call_takes_what_is_there_and_replaces_what_is_damaged(
    server: Server, tmp_path: Path
) -> None:
    fetch(server, tmp_path / "one")
    (tmp_path / "one" / "2.png").write_bytes(b"x" * 50_000)
    (tmp_path / "one" / "3.png").unlink()
    server.requests.clear()
    told = fetch(server, tmp_path / "one")
    assert there(tmp_path / "one") == NOISE
    assert told[0] == (100_000, 200_000)
    assert len(server.requests) == 1 + 2


def test_a_line_that_stays_cut_keeps_what_has_come(server: Server, tmp_path: Path) -> None:
    everything = 1 << 30
    server.cuts = [everything, everything, everything] + [10] * 20
    with pytest.raises(SceneError, match=r"did not come whole .*: it goes on from there"):
        fetch(server, tmp_path / "one")
    assert len(there(tmp_path / "one")) == 2


def test_bytes_that_are_not_those_of_the_directory_are_never_kept(
    server: Server, tmp_path: Path
) -> None:
    good = server.files["/all.zip"]
    server.files["/all.zip"] = good.replace(NOISE["set/one/1.png"][100:200], b"\0" * 100)
    if server.files["/all.zip"] == good:  # deflate has cut the noise into blocks
        at = good.index(b"set/one/1.png") + 1000
        server.files["/all.zip"] = good[:at] + b"\0" * 100 + good[at + 100 :]
    with pytest.raises(SceneError, match="did not come whole"):
        fetch(server, tmp_path / "one")
    assert "set/one/1.png" not in there(tmp_path / "one")


@pytest.mark.parametrize("name", ["set/one/../../evil", "set/one//x", "set/one/c:x"])
def test_a_name_that_leads_elsewhere_is_refused_before_anything_comes(
    name: str, server: Server, tmp_path: Path
) -> None:
    server.files["/all.zip"] = packed(*NOISE.items(), (name, b"gotcha"))
    with pytest.raises(SceneError, match=re.escape("lies outside the scene")):
        fetch(server, tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_a_bomb_is_refused_before_anything_comes(server: Server, tmp_path: Path) -> None:
    server.files["/all.zip"] = packed(("set/one/a", bytes(1 << 26)))
    with pytest.raises(SceneError, match="would become 1 files"):
        fetch(server, tmp_path / "one")


def test_a_full_disk_is_said_before_anything_comes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "free", lambda _: sizes.RESERVE + 199_999)
    with pytest.raises(SceneError, match=r"set/one of .* takes 200\.0 kB"):
        fetch(server, tmp_path / "one")
    monkeypatch.setattr(sizes, "free", lambda _: sizes.RESERVE + 200_000)
    fetch(server, tmp_path / "one")


def test_a_server_without_the_archive_has_no_size() -> None:
    with serving() as empty:
        assert members.size(f"{empty.url}/all.zip", ["set/one"]) is None
