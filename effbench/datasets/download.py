"""A file from a server by pooch, whose downloads are resumed here where they were cut.

Bytes go to a `.part` file that stays when a download is cut or interrupted; the next one asks for
the rest of it (RFC 9110, Range and If-Range). pooch compares the SHA-256 and gives the file its
name only then.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from effbench.datasets import sizes
from effbench.errors import SceneError
from effbench.scene.readers import fail

if TYPE_CHECKING:
    import requests

Report = Callable[[int, int | None], None]  # bytes done, bytes in all where the server says it

TIMEOUT_S = (20, 60)  # to connect; between two packets
_ATTEMPTS = 5  # in a row that bring nothing more
_FIRST_ATTEMPTS = 3  # of a file of which nothing has ever come
_MOST_ATTEMPTS = 100
_CHUNK = 1 << 16  # bytes; what of one had come when a line was cut is asked for again
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses that a later attempt may not meet
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
AGAIN = "run the same command again: it goes on from there"


class Refused(SceneError):
    """A server that does not give the file: another one may."""


def fetch(
    url: str,
    path: Path,
    sha256: str | None,
    report: Report,
    wait: Callable[[float], Any] = time.sleep,
) -> Path:
    """Download a file to `path`, unless it is there already, and return the path.

    sha256: what it must have, None where that is not known. Raises Refused where the server does
    not give it, SceneError where its bytes are others, the disk is full or the line was cut; what
    has come by then is kept and the next call goes on from there.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")
    try:
        with alone(path):
            pooch.retrieve(
                url,
                known_hash=f"sha256:{sha256}" if sha256 else None,
                fname=path.name,
                path=path.parent,
                downloader=_Resuming(part_of(path), report, wait),
            )
    except ValueError as error:  # pooch's: it has deleted the file
        wrong = f"what came has another SHA-256 than the {(sha256 or '')[:12]}… that it must have"
        remedy = "try again later, or another server with --from"
        raise fail(url, wrong, remedy) from error
    except OSError as error:
        raise sizes.full(path, error) from error
    return path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other commands from downloading to a path meanwhile. Raises SceneError where one is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise fail(path, "is being downloaded by another command", "wait for it") from None
    try:
        yield
    finally:
        lock.release()


def part_of(path: Path) -> Path:
    """Return where the bytes of an unfinished download are."""
    return path.with_name(f"{path.name}.part")


def length(url: str) -> int | None:
    """Return how many bytes a server says a file has; None where it does not say, or not now."""
    import requests

    try:
        answer = requests.head(url, timeout=TIMEOUT_S[0], allow_redirects=True)
        answer.raise_for_status()
        return int(answer.headers["Content-Length"])
    except (requests.RequestException, KeyError, ValueError):
        return None


@dataclass
class _Resuming:
    """What pooch calls to download."""

    part: Path
    report: Report
    wait: Callable[[float], Any]

    def __call__(self, url: str, output: str, _pooch: Any, check_only: bool = False) -> None:
        self._fetch(url)
        self.part.replace(output)
        self._validator.unlink(missing_ok=True)

    @property
    def _validator(self) -> Path:
        """The file with what the server calls the version of which the part is."""
        return self.part.with_name(f"{self.part.name}.etag")

    def _fetch(self, url: str) -> None:
        """Get all of the file. Raises SceneError where it does not come."""
        import requests

        idle, reason = 0, "it ended early"
        for _ in range(_MOST_ATTEMPTS):
            before = self._there()
            try:
                if self._attempt(url):
                    return
            except requests.RequestException as error:
                reason = _words(error)
            idle = 0 if self._there() > before else idle + 1
            if idle >= (_ATTEMPTS if self._there() else _FIRST_ATTEMPTS):
                break
            self.wait(min(2**idle, 30))
        if not self._there():
            other = "try again later, or another server with --from"
            raise Refused(str(fail(url, f"did not come ({reason})", other)))
        wrong = f"did not come whole ({reason}); {sizes.text(self._there())} are in {self.part}"
        raise fail(url, wrong, AGAIN)

    def _there(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str) -> bool:
        """Ask for what is not there yet; return whether that was all of it."""
        import requests

        start = self._there()
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            with suppress(OSError):
                headers["If-Range"] = self._validator.read_text(encoding="utf-8")
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code == 416:  # it is no longer than the part, or shorter
                return self._is_whole(answer, start)
            if answer.status_code in _BUSY:
                answer.raise_for_status()
            if not answer.ok:
                raise _refused(url, answer)
            found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if answer.status_code != 206 or not found or int(found[1]) != start:
                start = 0  # a server without ranges begins anew, and so does another version
            return self._receive(answer, start)

    def _is_whole(self, answer: requests.Response, start: int) -> bool:
        if answer.headers.get("Content-Range") == f"bytes */{start}":
            return True
        self.part.unlink()
        return False

    def _receive(self, answer: requests.Response, start: int) -> bool:
        """Write what comes behind the first `start` bytes; return whether nothing is missing."""
        given = answer.headers.get("Content-Length")
        total = start + int(given) if given and given.isdecimal() else None
        tag = answer.headers.get("ETag", "")
        with self.part.open("ab" if start else "wb") as stream:
            if not start:
                self._validator.write_text(tag, encoding="utf-8")
                if not tag or tag.startswith("W/"):  # says nothing about bytes
                    self._validator.unlink()
            if total:
                sizes.check_room(self.part.parent, total - start, "the file")
            done = start
            self.report(done, total)
            for chunk in answer.iter_content(_CHUNK):
                stream.write(chunk)
                done += len(chunk)
                self.report(done, total)
        return total is None or done == total


def _words(error: Exception) -> str:
    """Return an error of the network in a few words."""
    import requests

    answer = getattr(error, "response", None)
    if answer is not None:
        return f"the server answers {answer.status_code} {answer.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer came"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the line was cut"
    return f"no connection: {type(error).__name__}"


def _refused(url: str, answer: requests.Response) -> Refused:
    wrong = f"the server answers {answer.status_code} {answer.reason}"
    return Refused(str(fail(url, wrong, "name another server with --from, or try again later")))
