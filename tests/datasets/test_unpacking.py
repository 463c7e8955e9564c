"""Only the scene's own files come out of an archive, and nothing that is hostile."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from effbench.datasets import sizes, unpacking
from effbench.errors import SceneError

GOOD = {"set/lego/a.txt": b"one", "set/lego/train/b.png": b"two"}
Files = dict[str, bytes]


def make_zip(path: Path, files: Files, *special: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        for info in special:
            archive.writestr(info, b"/etc/passwd")
    return path


def make_tar(path: Path, files: Files, *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in special:
            archive.addfile(info)
    return path


def unpacked(archive: Path, folder: str = "set/lego") -> Files:
    target = archive.parent / "out" / "lego"
    unpacking.unpack(archive, folder, target)
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_only_the_scenes_members_come_out(make: Callable[..., Path], tmp_path: Path) -> None:
    others = {
        "set/legolas/c.txt": b"",
        "set/chair/a.txt": b"",
        "../evil.txt": b"",
        "__MACOSX/set/lego/._a.txt": b"",
        "set/lego/.DS_Store": b"",
        "set/lego/train/._b.png": b"",
    }
    archive = make(tmp_path / "a", {**others, **GOOD})
    assert unpacked(archive) == {"a.txt": b"one", "train/b.png": b"two"}
    assert not (tmp_path / "evil.txt").exists()


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    archive = make_zip(tmp_path / "a.zip", GOOD)
    unpacking.unpack(
        archive, "set/lego", tmp_path / "out", lambda done, total: steps.append((done, total))
    )
    assert steps == [(3, 6), (6, 6)]


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    "name",
    [
        "set/lego/../../evil.txt",
        "set/lego/train/../../../../evil.txt",
        "set/lego//evil.txt",
        "set/lego/./evil.txt",
        "set/lego/C:evil.txt",
        "set/lego/..\\evil.txt",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(
    make: Callable[..., Path], name: str, tmp_path: Path
) -> None:
    archive = make(tmp_path / "a", {**GOOD, name: b"evil"})
    with pytest.raises(SceneError, match="lies outside the scene"):
        unpacked(archive)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    ("mode", "what"), [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device"), (stat.S_IFIFO, "a de")]
)
def test_links_and_devices_of_a_zip_are_refused(mode: int, what: str, tmp_path: Path) -> None:
    special = zipfile.ZipInfo("set/lego/link")
    special.create_system = 3  # Unix
    special.external_attr = (mode | 0o777) << 16
    with pytest.raises(SceneError, match=f"its member 'set/lego/link' is {what}"):
        unpacked(make_zip(tmp_path / "a.zip", GOOD, special))


@pytest.mark.parametrize(
    ("kind", "what"),
    [(tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a link"), (tarfile.CHRTYPE, "a device")],
)
def test_links_and_devices_of_a_tar_are_refused(kind: bytes, what: str, tmp_path: Path) -> None:
    special = tarfile.TarInfo("set/lego/link")
    special.type, special.linkname = kind, "/etc/passwd"
    with pytest.raises(SceneError, match=f"its member 'set/lego/link' is {what}"):
        unpacked(make_tar(tmp_path / "a.tar.gz", GOOD, special))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["set/lego/a.txt", "set/lego/A.TXT"])
def test_two_files_of_one_name_are_refused(name: str, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", GOOD, zipfile.ZipInfo(name))
    with pytest.raises(SceneError, match="is there twice"):
        unpacked(archive)


def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {**GOOD, "set/lego/a.txt/b": b""})
    with pytest.raises(SceneError, match="lies in a folder that is a file too"):
        unpacked(archive)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_bomb_is_refused_before_it_is_unpacked(make: Callable[..., Path], tmp_path: Path) -> None:
    archive = make(tmp_path / "a", {**GOOD, "set/lego/bomb": bytes(40_000_000)})
    with pytest.raises(SceneError, match="no archive of images does"):
        unpacked(archive)
    assert not (tmp_path / "out").exists()


def test_an_archive_of_too_many_bytes_or_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_zip(tmp_path / "a.zip", GOOD)
    for limit in ("MOST_BYTES", "MOST_FILES"):
        with monkeypatch.context() as patch:
            patch.setattr(unpacking, limit, 1)
            with pytest.raises(SceneError, match="would become 2 files of 6 bytes"):
                unpacked(archive)


def test_a_disk_that_is_too_small_is_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "free", lambda _: 5)
    with pytest.raises(SceneError, match=r"set/lego of a\.zip takes 6 bytes, and 5 bytes are free"):
        unpacked(make_zip(tmp_path / "a.zip", GOOD))


def test_what_an_archive_holds_in_place_of_the_scene_is_named(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="holds nothing below set/ship/, but set"):
        unpacked(make_zip(tmp_path / "a.zip", GOOD), "set/ship")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_damaged_archive_is_named(make: Callable[..., Path], tmp_path: Path) -> None:
    archive = make(tmp_path / "a", {**GOOD, "set/lego/c": bytes(range(256)) * 100})
    data = bytearray(archive.read_bytes())
    data[60:90] = bytes(30)
    archive.write_bytes(data)
    with pytest.raises(SceneError, match=r"a: (is damaged or no archive|its member|holds nothing)"):
        unpacked(archive)
    archive.write_bytes(b"<html>not found</html>")
    with pytest.raises(SceneError, match="is damaged or no archive"):
        unpacked(archive)
