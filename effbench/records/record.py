"""Records: one `record.json` per cell, versioned and validated. Tables are made from these alone.

The layout is `record.schema.json` beside this file, explained in docs/records.md.
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from effbench import files
from effbench.errors import RecordError
from effbench.records import bulk, schema_check

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

FILE = "record.json"
SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).with_name("record.schema.json")

Status = Literal["ok", "failed", "oom", "diverged", "killed", "skipped"]


@dataclass(frozen=True)
class Record:
    """What is known of one cell (method × variant × scene × seed), finished or not.

    preset_of: the method whose preset `method` is, empty if it is a method itself; control: the
    cell_id of what the row is held against (`Method.control`), empty for none.

    The groups `scene`, `quality`, `time`, `memory`, `size`, `energy`, `export`, `machine`,
    `identity` and `profile` are plain dicts; keys left out are written as null, unknown keys are
    refused. Units are part of the key: `_s` seconds, `_ms` milliseconds, `_mb` 1e6 bytes, `_j`
    joules; PSNR in dB.
    """

    cell_id: str
    suite: str
    method: str
    scene: dict[str, Any]
    budget: str
    seed: int
    repetition: int = 0
    variant: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    role: Literal["row", "parent"] = "row"
    status: Status = "ok"
    reason: str = ""
    quality: dict[str, Any] = field(default_factory=dict)
    time: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    size: dict[str, Any] = field(default_factory=dict)
    energy: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    backend: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    preset_of: str = ""
    control: str = ""
    schema_version: int = SCHEMA_VERSION


def scene_label(record: Record) -> str:
    """Return the scene's name with its non-default parameters, as tables and plots show it."""
    params = ", ".join(f"{k}={v}" for k, v in sorted(record.scene.get("params", {}).items()))
    name = str(record.scene["name"])
    return f"{name} ({params})" if params else name


def to_dict(record: Record) -> dict[str, Any]:
    """Return the JSON form: group keys left out are null, and so are NaN and infinity."""
    data = {f.name: _finite(getattr(record, f.name)) for f in fields(record)}
    for name, empty in _group_blanks().items():
        data[name] = {**empty, **data[name]}
    return data


def from_dict(data: Any, source: str | Path = "record") -> Record:
    """Return the record of a JSON object. Raises RecordError naming `source` and the field."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise RecordError(
            f"{source}: schema version {version}, but this effbench reads version "
            f"{SCHEMA_VERSION}: use the effbench version that wrote it, or run the cell again"
        )
    if not _fits()(data):
        errors = sorted(_validator().iter_errors(data), key=lambda e: [str(p) for p in e.path])
        if errors:
            raise RecordError(f"{source}: {_explain(errors[0])}: run the cell again with --fresh")
    if len(data) < _count():  # an earlier version's, without some optional group
        return Record(**data)
    return bulk.made(Record, data)


def write(path: str | Path, record: Record) -> None:
    """Write `record` atomically. Raises RecordError when it does not fit the schema."""
    data = to_dict(record)
    from_dict(data, path)
    try:
        files.write_json(path, data)
    except TypeError as error:
        raise RecordError(
            f"{path}: {error}: params, facts and provenance may hold only numbers, strings, "
            "booleans, null, lists and dicts of these"
        ) from error


def read(path: str | Path) -> Record:
    """Read one record. Raises RecordError naming the file, the field and the remedy."""
    try:
        data = bulk.read_json(path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    except ValueError as error:  # JSON or UTF-8
        raise RecordError(
            f"{path}: is not valid JSON ({error}): delete it and run the cell again"
        ) from error
    return from_dict(data, path)


def load(
    folders: Iterable[str | Path],
    *,
    errors: Literal["raise", "skip"] = "raise",
    skipped: list[RecordError] | None = None,
) -> list[Record]:
    """Read every `cells/*/record.json` at any depth below `folders`, each file once, by path.

    A record that cannot be read raises RecordError, or with `errors="skip"` is left out and its
    error appended to `skipped`. Raises RecordError for a folder that does not exist.
    """
    return list(locate(folders, errors=errors, skipped=skipped).values())


def locate(
    folders: Iterable[str | Path],
    *,
    errors: Literal["raise", "skip"] = "raise",
    skipped: list[RecordError] | None = None,
) -> dict[Path, Record]:
    """Read records as `load` does; return each by the folder of its cell."""
    with bulk.no_garbage_collection():
        return dict(stream(folders, errors=errors, skipped=skipped))


def stream(
    folders: Iterable[str | Path],
    *,
    errors: Literal["raise", "skip"] = "raise",
    skipped: list[RecordError] | None = None,
) -> Iterator[tuple[Path, Record]]:
    """Read records as `locate` does, one at a time: 100,000 of them fill gigabytes."""
    for folder in bulk.cell_folders(folders, FILE):
        try:
            yield Path(folder), read(os.path.join(folder, FILE))  # noqa: PTH118
        except RecordError as error:
            if errors == "raise":
                raise
            if skipped is not None:
                skipped.append(error)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


@functools.cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


@functools.cache
def _count() -> int:
    return len(fields(Record))


@functools.cache
def _fits() -> schema_check.Check:
    return schema_check.compile_schema(_schema())


@functools.cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # slow to import, not needed to list things

    return Draft202012Validator(_schema())


def _group_blanks() -> dict[str, dict[str, Any]]:
    """Return per group of the schema its keys with null, or empty for lists and dicts."""
    blanks: dict[str, Any] = {"array": list, "object": dict}
    return {
        name: {
            key: blanks.get(str(entry.get("type")), lambda: None)()
            for key, entry in group["properties"].items()
        }
        for name, group in _schema()["properties"].items()
        if "properties" in group
    }


def _explain(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.path)
    return f"field '{where}': {error.message}" if where else error.message
