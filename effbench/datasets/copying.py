"""A folder of the user's, copied: regular files only, links followed, never in a circle."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from effbench.datasets import sizes
from effbench.scene.readers import fail

_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
Report = Callable[[int, int], None]  # bytes done, bytes in all


def copy(source: Path, parts: tuple[str, ...], target: Path, report: Report) -> None:
    """Copy what fits one of the patterns at the top of a folder, without hidden files.

    Raises SceneError where there is no room, or something cannot be copied.
    """
    try:
        files = dict(_files(source, parts))
        total = sum(path.stat().st_size for path in files.values())
        sizes.check_room(target.parent, total, f"a copy of {source}")
        done = 0
        for name, path in files.items():
            place = target.joinpath(*name.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            done += place.stat().st_size
            report(done, total)
    except OSError as error:
        raise sizes.full(target, error) from error


def _files(source: Path, parts: tuple[str, ...]) -> Iterator[tuple[PurePosixPath, Path]]:
    tops = {path for pattern in parts for path in source.glob(pattern)}
    for top in sorted(tops):
        yield from _below(top, PurePosixPath(top.name), (source.resolve(),))


def _below(
    path: Path, name: PurePosixPath, above: tuple[Path, ...]
) -> Iterator[tuple[PurePosixPath, Path]]:
    """Yield the files of a path by their names in the copy; above: the folders it lies in."""
    if path.name.startswith(".") or path.name in _JUNK:
        return
    if path.is_dir():
        real = path.resolve()
        if real in above:
            raise fail(path, "is a link to a folder that it lies in", "remove the link")
        for each in sorted(path.iterdir()):
            yield from _below(each, name / each.name, (*above, real))
    elif stat.S_ISREG(path.stat().st_mode):
        yield name, path
    else:
        raise fail(path, "is no regular file", "take it out of the folder")
