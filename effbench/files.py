"""Atomic writing: a file on disk is either its old or its new contents, never a part of it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import platformdirs

from effbench.errors import EffbenchError


def cache_folder() -> Path:
    """Return where what can be made again is kept: EFFBENCH_CACHE, or the user's cache folder.

    For a user without a home, a folder of theirs among the temporary ones.
    """
    given = os.environ.get("EFFBENCH_CACHE")
    folder = Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("effbench"))
    if folder.is_absolute() or given:
        return folder
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"effbench-{user}"


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` through a temporary file beside it; missing folders are made.

    A reader, and a process killed at any moment, sees the old file or the new one. Raises
    EffbenchError, with the old file intact, when the disk is full or the folder not writable.
    """
    target = Path(path)
    # The process number keeps two processes that write the same file out of each other's way.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise EffbenchError(
            f"{target}: cannot be written ({error.strerror or error}): free disk space or make "
            "the folder writable, or choose another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically. Raises EffbenchError as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, obj: Any) -> None:
    """Write `obj` as indented JSON, atomically.

    Raises TypeError for an object that JSON cannot hold, ValueError for NaN or infinity (they
    are not JSON, other readers would refuse the file), EffbenchError as `write_bytes` does.
    """
    write_text(path, json.dumps(obj, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def slug(text: str) -> str:
    """Return a name for a file or folder: lower-case letters, digits and hyphens."""
    kept = "".join(c if c.isalnum() and c.isascii() else "-" for c in text.lower())
    return "-".join(part for part in kept.split("-") if part) or "unknown"
