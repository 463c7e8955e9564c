"""The source that makes a result: hashes by which a finished cell is known to be of this code."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path

import effbench
from effbench.planning.plan import Cell
from effbench.planning.registry import Registry

_PACKAGE = Path(effbench.__file__).resolve().parent


def of(cell: Cell, registry: Registry) -> dict[str, str]:
    """Return the hashes of a cell's source: `package`, all of effbench's own; `method` and
    `scene_source`, the files of the plug-ins, with helpers beside them.

    A method that was given as a class has the hash of the class, "" where its source is unknown.
    """
    family = cell.scene.name.partition("/")[0]
    return {
        "package": package_hash(),
        "method": _plugin_hash(cell.method, registry),
        "scene_source": file_hash(registry.scenes[family].file),
    }


@functools.cache
def package_hash() -> str:
    """Return the hash of effbench's own Python source, whichever way it was installed."""
    files = (p for p in _PACKAGE.rglob("*.py") if "_bundled" not in p.relative_to(_PACKAGE).parts)
    return _hash(_PACKAGE, files)


def file_hash(file: Path) -> str:
    """Return the hash of a plug-in's file and of the helpers beside it: modules whose names begin
    with an underscore, which are no plug-ins themselves."""
    files = sorted({file, *file.parent.glob("_*.py")})
    return _hash_of(file.parent, tuple((path, path.stat().st_mtime_ns) for path in files))


@functools.cache
def _hash_of(folder: Path, files: tuple[tuple[Path, int], ...]) -> str:
    """Hash files with their times: thousands of cells share theirs."""
    return _hash(folder, (path for path, _ in files))


def _plugin_hash(method: str, registry: Registry) -> str:
    file = registry.methods[method].file
    if file.is_file():
        return file_hash(file)
    try:
        source = inspect.getsource(registry.method(method))
    except (OSError, TypeError):  # typed into an interpreter
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _hash(folder: Path, files: Iterable[Path]) -> str:
    """Return 64 bits of a hash of files, with their names relative to a folder."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
