"""A server of files on this machine, with the faults that servers have."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """files: by path; cuts: after how many bytes answers end, one for each request, then none;
    ranges: whether parts of a file are given; requests: what was asked for, with its Range."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server on a free port."""
    served = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            served.requests.append((self.path, self.headers.get("Range")))
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            data = served.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            tag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
            start, stop = self._range(data, tag)
            if start and start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            whole = (start, stop) == (0, len(data))
            self.send_response(200 if whole and not self._asks(tag) else 206)
            if not whole or self._asks(tag):
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if body:
                most = served.cuts.pop(0) if served.cuts else len(data)
                self.wfile.write(data[start : min(stop, start + most)])

        def _asks(self, tag: str) -> bool:
            """Whether a part is asked for and given."""
            given = served.ranges and self.headers.get("If-Range", tag) == tag
            return given and "Range" in self.headers

        def _range(self, data: bytes, tag: str) -> tuple[int, int]:
            """Return the first byte to send and the one behind the last."""
            if not self._asks(tag):
                return 0, len(data)
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            if not first:  # the last bytes
                return max(0, len(data) - int(last)), len(data)
            return int(first), min(int(last) + 1, len(data)) if last else len(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        served.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            running.shutdown()
            thread.join()
