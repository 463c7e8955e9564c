"""Bytes in words, and whether a disk has room for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from effbench.errors import SceneError
from effbench.scene.readers import fail

RESERVE = 1 << 26  # bytes that stay free: a disk that is quite full breaks other things


def text(size: float | None) -> str:
    """Return a number of bytes as people read it: "1.7 GB"; None: "size unknown"."""
    if size is None:
        return "size unknown"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} bytes"


def free(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder, which need not be there yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def of_folder(folder: Path) -> int:
    """Return the bytes of the files below a folder, 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_room(folder: Path, wanted: int, what: str) -> None:
    """Raise SceneError where a disk has not `wanted` bytes and some to spare."""
    if (left := free(folder)) < wanted + RESERVE:
        wrong = f"{what} takes {text(wanted)}, and {text(left)} are free there"
        raise fail(folder, wrong, "free disk space, or name another folder with --scenes-root")


def full(path: Path, error: OSError) -> SceneError:
    """Return the error of something that could not be written."""
    reason = error.strerror or str(error)
    return fail(path, f"cannot be written ({reason})", "free disk space or check its permissions")
