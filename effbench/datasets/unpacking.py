"""One scene out of an archive, and nothing else: what a hostile archive asks for is refused.

Only regular files below the scene's folder in the archive are written. A name that leads elsewhere,
a link, a device, two files of one name, an encrypted file or more bytes than an archive of images
can hold is an error that names the member; nothing has then been put in place.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from effbench.datasets import sizes
from effbench.errors import SceneError
from effbench.scene.readers import fail

MOST_BYTES = 1 << 36  # of a scene: 64 GiB
MOST_FILES = 200_000
MOST_RATIO = 50  # of a scene's bytes to those of the archive: images hardly shrink
_SLACK = 1 << 24  # bytes for which the ratio is not asked: a few texts may shrink a lot
_CHUNK = 1 << 20
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, RuntimeError)
_AGAIN = "delete the archive and download it again, or from another server with --from"
_BOMB = "do not use it, and report it where it comes from"

Report = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Member:
    """An entry of an archive: its name there, bytes, what kind it is ("file", "folder", or what is
    refused), how it is read, and its CRC-32 where the archive has one."""

    name: str
    size: int
    kind: str
    open: Callable[[], IO[bytes]]
    crc: int | None = None


def unpack(archive: Path, folder: str, target: Path, report: Report | None = None) -> None:
    """Write what an archive (zip, tar, tar.gz) has below `folder` to `target`, a new folder.

    report: is told the bytes written, of how many. Raises SceneError naming the archive, the member
    at fault and the remedy; files that were written by then stay in `target`.
    """
    try:
        with _members(archive) as members:
            files = chosen(archive, archive.stat().st_size, folder, members)
            total = sum(member.size for _, member in files)
            sizes.check_room(target.parent, total, f"{folder} of {archive.name}")
            done = 0
            for path, member in files:
                done += write(archive, target.joinpath(*path.parts), member)
                if report:
                    report(done, total)
    except _DAMAGED as error:
        raise fail(archive, f"is damaged or no archive ({error})", _AGAIN) from error
    except OSError as error:
        raise sizes.full(target, error) from error


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield of_zip(opened)
    else:
        with tarfile.open(archive) as opened_tar:
            yield list(_of_whole_tar(archive, opened_tar))


def _of_whole_tar(archive: Path, opened: tarfile.TarFile) -> Iterator[Member]:
    """Yield a tar's members; it is read as far as it may be long and no further."""
    most = MOST_RATIO * archive.stat().st_size + _SLACK
    for info in opened:
        if opened.offset > most:
            wrong = f"unpacks to more than {sizes.text(most)}: no archive of images does"
            raise fail(archive, wrong, _BOMB)
        yield _of_tar(opened, info)


def of_zip(opened: zipfile.ZipFile) -> list[Member]:
    """Return the members of a zip."""
    return [_of_zip(opened, info) for info in opened.infolist()]


def _of_zip(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = "folder" if info.is_dir() else "file"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "a link" if stat.S_ISLNK(mode) else "a device"
    elif info.flag_bits & 1:
        kind = "encrypted"
    # orig_filename: what is written there, before it is cut at a zero byte or has its \ turned
    return Member(info.orig_filename, info.file_size, kind, lambda: opened.open(info), info.CRC)


def _of_tar(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kind = "file" if info.isreg() and not info.issparse() else "folder" if info.isdir() else ""
    kind = kind or ("a link" if info.issym() or info.islnk() else "a device")

    def read() -> IO[bytes]:
        stream = opened.extractfile(info)
        if stream is None:
            raise tarfile.ReadError(f"{info.name} cannot be read")
        return stream

    return Member(info.name, info.size, kind, read)


def chosen(
    archive: Path | str, held: int, folder: str, members: list[Member]
) -> list[tuple[PurePosixPath, Member]]:
    """Return the scene's files by their paths in it.

    archive: its path or address, for errors; held: the bytes that it is. Raises SceneError.
    """
    found: dict[PurePosixPath, Member] = {}
    seen: dict[str, str] = {}
    for member in members:
        path = _path(archive, folder, member)
        if path is None or _is_junk(path):
            continue
        if member.kind != "file":
            raise _refused(archive, member, f"is {member.kind}")
        # a disk may not tell capitals from small letters
        if str(path).lower() in seen:
            raise _refused(archive, member, "is there twice")
        seen[str(path).lower()] = member.name
        found[path] = member
    for path, member in found.items():
        if any(str(parent).lower() in seen for parent in path.parents):
            raise _refused(archive, member, "lies in a folder that is a file too")
    if not found:
        tops = sorted({member.name.split("/")[0] for member in members})
        wrong = f"holds nothing below {folder}/, but {', '.join(tops[:8]) or 'nothing at all'}"
        raise fail(archive, wrong, _AGAIN)
    _check_size(archive, held, list(found.values()))
    return list(found.items())


def _path(archive: Path | str, folder: str, member: Member) -> PurePosixPath | None:
    """Return where below the scene a member belongs; None for the folders themselves, and for what
    is not the scene's. Raises SceneError for a name that leads elsewhere."""
    name = member.name.removeprefix("./")
    if not name.startswith(f"{folder}/"):
        return None
    rest = name.removeprefix(f"{folder}/")
    parts = rest.rstrip("/").split("/") if rest else []
    # a colon: drives and alternate streams of Windows
    if any(part in ("..", ".", "") for part in parts) or any(sign in rest for sign in "\0\\:"):
        raise _refused(archive, member, "lies outside the scene")
    return None if member.kind == "folder" or not parts else PurePosixPath(*parts)


def _is_junk(path: PurePosixPath) -> bool:
    return any(part in _JUNK or part.startswith("._") for part in path.parts)


def _check_size(archive: Path | str, held: int, members: list[Member]) -> None:
    total = sum(member.size for member in members)
    if len(members) > MOST_FILES or total > MOST_BYTES or total > MOST_RATIO * held + _SLACK:
        wrong = (
            f"would become {len(members)} files of {sizes.text(total)}, out of {sizes.text(held)}: "
            "no archive of images does"
        )
        raise fail(archive, wrong, _BOMB)


def write(archive: Path | str, path: Path, member: Member) -> int:
    """Write a member's bytes, no more than it was said to have, and return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.open() as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > member.size:
                raise _refused(archive, member, f"is longer than its {member.size} bytes")
            target.write(chunk)
    if written != member.size:
        raise _refused(archive, member, f"ends after {written} of {member.size} bytes")
    return written


def _refused(archive: Path | str, member: Member, wrong: str) -> SceneError:
    shown: Any = member.name[:200]
    return fail(archive, f"its member {shown!r} {wrong}", _AGAIN)
