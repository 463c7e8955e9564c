"""What makes 100,000 records a matter of seconds, where plain code would take over a minute.

Everything here does what a plainer line does, faster; beside it only `schema_check` and tables, by
whole columns, are written for speed. Seconds of 20,000 records of 3.1 kB on two cores of an Intel
Xeon, plain and as it is here (`make bench ARGS="records --records 20000"`):

    finding them: `Path.rglob`, sorted         0.47    `cell_folders`           0.10
    reading them: `json`, `Path.read_text`     1.3     `read_json`              0.84
    holding them to the schema: `jsonschema`   15      `schema_check`           0.52
    making them: `Record(**data)`              0.20    `made`                   0.04
    all of it, looking for cycles              1.7     `no_garbage_collection`  1.3
    parameters as text: `json.dumps` for each  0.21    `Settings`               0.09
"""

from __future__ import annotations

import contextlib
import gc
import json
import marshal
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from effbench.errors import RecordError

T = TypeVar("T")


def cell_folders(folders: Iterable[str | Path], file: str) -> list[str]:
    """Return the folders of cells that have a `file`, sorted part by part below each folder, as
    text: `sorted(Path.rglob(…))` makes and compares a Path for each.

    Raises RecordError for a folder that does not exist.
    """
    found: dict[str, None] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise RecordError(f"{folder}: no such folder: name a run's output folder")
        whole = folder.resolve()
        is_cell = whole.parent.name == "cells" and (whole / file).is_file()
        own = [str(whole)] if is_cell else []
        for root, below, _ in os.walk(whole):
            if os.path.basename(root) == "cells":  # noqa: PTH119
                cells = {b for b in below if os.path.isfile(f"{root}{os.sep}{b}{os.sep}{file}")}  # noqa: PTH113
                own += [f"{root}{os.sep}{name}" for name in cells]
                below[:] = [name for name in below if name not in cells]
        found |= dict.fromkeys(sorted(own, key=_parts))
    return list(found)


def _parts(path: str) -> list[str]:
    return path.split(os.sep)  # noqa: PTH206


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Records have no cycles, and looking for some among 100,000 of them takes seconds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_json(path: str | Path) -> Any:
    """Return the JSON in a file: orjson, and no buffer between it and the file.

    Raises OSError where it cannot be read, ValueError for what is not UTF-8 or not JSON.
    """
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 a Path takes longer
        return orjson.loads(stream.read())


def made(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return the dataclass that `cls(**data)` is, for data that is known to have every field."""
    result = object.__new__(cls)
    result.__dict__.update(data)
    return result


class Settings:
    """Parameters as JSON, keys sorted. Many cells have the same: each set is written once."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}

    def text(self, params: Mapping[str, Any]) -> str:
        key = marshal.dumps(dict(params), 0)  # tells 1, 1.0 and true apart
        if key not in self._texts:
            self._texts[key] = json.dumps(params, sort_keys=True)
        return self._texts[key]
