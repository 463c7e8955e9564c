"""Scenes from a server to their places: each archive once, nothing lost when it fails."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from effbench.datasets import checksums, fetching, sizes, unpacking, verify
from effbench.datasets.catalogue import Archive, Catalogue
from effbench.errors import SceneError
from effbench.planning.registry import discover
from tests.datasets import made
from tests.datasets.server import Server, serving
from tests.datasets.silent import Silent

SCENES = {"colmap/one": "set/one", "nerf_synthetic/two": "set/two"}


@pytest.fixture(scope="module")
def packed() -> bytes:
    return made.packed()


@pytest.fixture
def server(packed: bytes) -> Iterator[Server]:
    with serving() as served:
        served.files["/all.zip"] = packed
        yield served


def catalogue(server: Server, sha256: str | None = None, *more: Archive) -> Catalogue:
    return Catalogue([*more, Archive(f"{server.url}/all.zip", SCENES, sha256)], {})


def get(
    root: Path,
    known: Catalogue,
    *scenes: str,
    force: bool = False,
    wanted: str | None = None,
    whole: bool = True,
) -> Silent:
    progress = Silent()
    for order in fetching.orders(scenes, known, root, wanted, whole=whole):
        done = list(fetching.get(order, root, discover(), progress, force=force))
        assert done == list(order.scenes)
    return progress


def test_two_scenes_of_one_archive_are_one_download(
    server: Server, packed: bytes, tmp_path: Path
) -> None:
    known = catalogue(server, hashlib.sha256(packed).hexdigest())
    (order,) = fetching.orders(list(SCENES), known, tmp_path)
    assert (order.scenes, order.size, order.there) == (tuple(SCENES), len(packed), 0)
    progress = get(tmp_path, known, *SCENES)
    assert len(server.requests) == 1
    for scene in SCENES:
        assert verify.examine(scene, discover(), tmp_path).state == "fits"
    assert not list(tmp_path.glob("*/.*.*/"))
    # the archive holds more than one scene
    assert "which holds 2 scenes: delete it" in progress.said[-1]
    get(tmp_path, known, "colmap/one", force=True)
    assert len(server.requests) == 1


def test_an_archive_of_one_scene_is_not_kept(server: Server, tmp_path: Path) -> None:
    archive = Archive(f"{server.url}/all.zip", {"colmap/one": "set/one"})
    get(tmp_path, Catalogue([archive], {}), "colmap/one")
    assert not list((tmp_path / fetching.FOLDER).glob("*.zip"))


def test_an_unpublished_checksum_is_asked_of_every_later_download(
    server: Server, packed: bytes, tmp_path: Path
) -> None:
    known = catalogue(server)
    get(tmp_path, known, "colmap/one")
    written = json.loads((tmp_path / "checksums.json").read_text())["downloads"]
    assert written[f"{server.url}/all.zip"]["sha256"] == hashlib.sha256(packed).hexdigest()
    assert written[f"{server.url}/all.zip"]["bytes"] == len(packed)

    for kept in (tmp_path / fetching.FOLDER).iterdir():
        kept.unlink()
    server.files["/all.zip"] = packed + b"more"
    with pytest.raises(SceneError, match="another SHA-256"):
        get(tmp_path, known, "colmap/one", force=True)
    assert verify.examine("colmap/one", discover(), tmp_path).state == "fits"


def test_what_is_no_archive_is_not_remembered(server: Server, tmp_path: Path) -> None:
    server.files["/all.zip"] = b"<html>please confirm</html>"
    with pytest.raises(SceneError, match="is damaged or no archive"):
        get(tmp_path, catalogue(server), "colmap/one")
    assert checksums.of_download(tmp_path, f"{server.url}/all.zip") is None


def test_the_next_server_is_tried_where_one_has_nothing(server: Server, tmp_path: Path) -> None:
    gone = Archive(f"{server.url}/gone.zip", SCENES)
    progress = get(tmp_path, catalogue(server, None, gone), "colmap/one")
    assert "answers 404 Not Found" in progress.said[1]
    assert (tmp_path / "colmap" / "one").is_dir()
    with pytest.raises(SceneError, match="answers 404 Not Found"):
        get(tmp_path, catalogue(server, None, gone), "colmap/one", wanted="gone")


def test_a_length_that_is_published_is_asked_for(server: Server, tmp_path: Path) -> None:
    archive = Archive(f"{server.url}/all.zip", SCENES, size=5)
    with pytest.raises(SceneError, match=r"all\.zip: gave \d+ bytes, not 5"):
        get(tmp_path, Catalogue([archive], {}), "colmap/one")


def test_a_scene_that_cannot_be_read_is_not_put_in_place(server: Server, tmp_path: Path) -> None:
    archive = Archive(f"{server.url}/all.zip", {"ngp/one": "set/one"})
    with pytest.raises(SceneError, match=r"transforms\.json"):
        get(tmp_path, Catalogue([archive], {}), "ngp/one")
    assert not list((tmp_path / "ngp").iterdir())


def test_a_full_disk_leaves_the_earlier_copy(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = catalogue(server)
    get(tmp_path, known, "colmap/one")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking, "write", full)
    with pytest.raises(SceneError, match=r"No space left on device.*free disk space"):
        get(tmp_path, known, "colmap/one", force=True)
    assert verify.examine("colmap/one", discover(), tmp_path).state == "fits"
    assert [path.name for path in (tmp_path / "colmap").iterdir()] == ["one"]


def test_room_for_the_archive_and_what_is_in_it_is_asked_for(
    server: Server, packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = fetching.orders(["colmap/one"], catalogue(server), tmp_path, whole=True)
    monkeypatch.setattr(sizes, "free", lambda _: sizes.RESERVE + 3 * len(packed) // 2)
    fetching.check_room(orders, tmp_path)
    monkeypatch.setattr(sizes, "free", lambda _: sizes.RESERVE + len(packed))
    with pytest.raises(SceneError, match="what is to be downloaded and unpacked takes"):
        fetching.check_room(orders, tmp_path)


def test_the_files_of_one_scene_alone_are_downloaded(
    server: Server, packed: bytes, tmp_path: Path
) -> None:
    known = catalogue(server)
    (order,) = fetching.orders(["colmap/one"], known, tmp_path)
    assert order.apart
    assert order.size is not None
    assert order.size < 0.8 * len(packed)
    fetching.check_room([order], tmp_path)
    get(tmp_path, known, "colmap/one", whole=False)
    assert verify.examine("colmap/one", discover(), tmp_path).state == "fits"
    assert all(asked for _, asked in server.requests)
    left = [path for path in (tmp_path / fetching.FOLDER).iterdir() if path.suffix != ".lock"]
    assert not left


@pytest.mark.parametrize("why", ["no ranges", "published", "all of it", "no zip"])
def test_an_archive_is_downloaded_whole_where_that_is_better(
    why: str, server: Server, packed: bytes, tmp_path: Path
) -> None:
    server.ranges = why != "no ranges"
    known = catalogue(server, hashlib.sha256(packed).hexdigest() if why == "published" else None)
    if why == "no zip":
        server.files["/all.zip"] = b"<html>please confirm</html>" * 9999
    scenes = list(SCENES) if why == "all of it" else ["colmap/one"]
    (order,) = fetching.orders(scenes, known, tmp_path)
    assert not order.apart
    assert order.size == len(server.files["/all.zip"])
