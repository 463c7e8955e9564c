"""A scene's files out of a zip on a server, without the rest of the zip.

remotezip reads the directory at the end of the archive and asks for each member by its range of
bytes (RFC 9110, Range). A member counts once its CRC-32 is right; what has come by then stays when
a line is cut, and the next attempt asks for the rest. What a hostile archive asks for is refused as
`unpacking` does.
"""

from __future__ import annotations

import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.datasets import download, sizes, unpacking
from effbench.scene.readers import fail

if TYPE_CHECKING:
    from remotezip import RemoteZip

_ATTEMPTS = 5  # in a row that bring nothing more
_CHUNK = 1 << 20
_DAMAGED: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
)


def size(url: str, folders: Iterable[str]) -> int | None:
    """Return how many bytes of an archive some of its folders are; None where it can only be had
    whole: it is no zip, or its server does not give parts of files."""
    below = tuple(f"{folder}/" for folder in folders)
    try:
        with _opened(url) as archive:
            infos = archive.infolist()
            names = [info.filename.removeprefix("./") for info in infos]
            own = [info for info, name in zip(infos, names, strict=True) if name.startswith(below)]
            return sum(info.compress_size for info in own) or None
    except _troubles():
        return None


def fetch(
    url: str,
    folder: str,
    target: Path,
    report: unpacking.Report,
    wait: Callable[[float], Any] = time.sleep,
) -> None:
    """Write what a zip has below `folder` to `target`, which may hold some of it already.

    report: is told the bytes that are there, of how many. Raises SceneError naming the address, the
    member at fault and the remedy; what has come by then is kept for the next call.
    """
    with download.alone(target):
        idle, reason, most = 0, "", 0
        while idle < _ATTEMPTS:
            before, most = most, max(most, sizes.of_folder(target))
            idle = idle + 1 if most <= before else 1
            try:
                with _opened(url) as archive:
                    _fetch(url, archive, folder, target, report)
                return
            except _troubles() as error:
                reason = str(error) or type(error).__name__
            except OSError as error:
                raise sizes.full(target, error) from error
            wait(min(2**idle, 30))
        there = sizes.text(sizes.of_folder(target))
        raise fail(url, f"did not come whole ({reason}); {there} are in {target}", download.AGAIN)


def _troubles() -> tuple[type[Exception], ...]:
    """Return the errors of a server, a line or an archive that a later attempt may not meet."""
    import remotezip
    import requests
    import urllib3

    own: type[Exception] = remotezip.RemoteZipError
    return (own, requests.RequestException, urllib3.exceptions.HTTPError, *_DAMAGED)


@contextmanager
def _opened(url: str) -> Iterator[RemoteZip]:
    import requests
    from remotezip import RemoteZip

    plain = {"Accept-Encoding": "identity"}
    with (
        requests.Session() as session,
        RemoteZip(url, session=session, headers=plain, timeout=download.TIMEOUT_S) as archive,
    ):
        yield archive


def _fetch(
    url: str, archive: RemoteZip, folder: str, target: Path, report: unpacking.Report
) -> None:
    """Get the members that are not there yet."""
    members = unpacking.of_zip(archive)
    files = unpacking.chosen(url, archive.size(), folder, members)
    total = sum(member.size for _, member in files)
    missing = []
    for path, member in files:
        if not _is_there(target.joinpath(*path.parts), member):
            missing.append((path, member))
    needed = sum(member.size for _, member in missing)
    sizes.check_room(target.parent, needed, f"{folder} of {url}")
    done, part = total - needed, target.with_name(f"{target.name}.member")
    report(done, total)
    for path, member in missing:
        place = target.joinpath(*path.parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        done += unpacking.write(url, part, member)
        part.replace(place)
        report(done, total)


def _is_there(path: Path, member: unpacking.Member) -> bool:
    """Whether a member has come, with all its bytes."""
    if not path.is_file() or path.stat().st_size != member.size:
        return False
    crc = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc == member.crc
