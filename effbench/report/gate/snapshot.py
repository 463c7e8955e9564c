"""Baselines: the few figures of a run that a later run is checked against, small and committed.

A baseline file is JSON, a line per row and a line per cell, so that a change of it reads well:

    {"format": "effbench baseline", "schema_version": 1, "reference": …, "provenance": {…},
     "rows": [
      {"suite": …, "method": …, …, "params": {…}, "cells": [
        {"repetition": 0, "status": "ok", "psnr": 27.15, …},

A folder of results and a baseline file are both read as a Snapshot.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from effbench import files
from effbench.analysis.figures import FIGURES
from effbench.errors import ConfigError, RecordError
from effbench.records import curves, results, tables
from effbench.records.record import Record
from effbench.report.gate import equal_iterations
from effbench.report.gate.equal_iterations import SLOPE

FORMAT, SCHEMA_VERSION = "effbench baseline", 1
RESULTS = Path("results")

# What a row of a baseline is about, and what one cell of it says beside its figures.
ABOUT = (
    *("suite", "method", "variant", "scene", "budget", "device", "threads", "backend"),
    *("manifest", "eval_views"),
)
CELL = ("repetition", "status", "reason")
_PROVENANCE = (
    *("effbench", "commit", "dirty", "python", "packages", "cuda", "driver", "cpu"),
    *("cores", "threads", "ram_mb", "os"),
)


@dataclass(frozen=True)
class Snapshot:
    """Cells to be compared, from a folder or a baseline file.

    cells: a row per cell, columns ABOUT, "settings" (all parameters, as JSON), CELL, FIGURES, and
    SLOPE, NaN where no curve tells it.
    provenance: what made them, a list where cells differ. unreadable: records left out. reference:
    the row that the others are compared with, by `results.baseline`; "" where that is not known.
    """

    source: str
    cells: pd.DataFrame
    provenance: dict[str, Any]
    unreadable: list[RecordError] = field(default_factory=list)
    reference: str = ""


def load(path: str | Path) -> Snapshot:
    """Read a results folder or a baseline file. Raises RecordError where there is nothing to read.

    A record in a folder that cannot be read is left out and listed in `unreadable`.
    """
    if Path(path).is_dir():
        return of_folder(path)
    return read(path)


def of_folder(folder: str | Path) -> Snapshot:
    """Read the rows of a results folder, without cells that are only parents.

    Raises RecordError if there are none.
    """
    found = results.load([folder])
    unreadable = found.problems
    rows = {folder: r for folder, r in found.cells.items() if r.role == "row"}
    if not rows and unreadable:
        raise RecordError(
            f"{folder}: none of its {len(unreadable)} records can be read; first: {unreadable[0]}"
        )
    if not rows:
        raise RecordError(
            f"{folder}: holds no records: name a run's output folder, one with cells/"
        )
    reference = results.baseline(found) or ""
    cells = _cells(list(rows.values()))
    cells[SLOPE] = [_slope(place, cell) for place, cell in rows.items()]
    return Snapshot(str(folder), cells, _provenance(list(rows.values())), unreadable, reference)


def read(path: str | Path) -> Snapshot:
    """Read a baseline file. Raises RecordError naming what is wrong and the remedy."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "name a baseline file or a results folder"
        raise RecordError(f"{path}: cannot be read ({error.strerror}): {remedy}") from error
    except ValueError as error:  # JSON or UTF-8
        raise RecordError(f"{path}: is not valid JSON ({error}): {_REMEDY}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RecordError(f"{path}: is no baseline file: {_REMEDY}")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise RecordError(
            f"{path}: schema version {data.get('schema_version')}, but this effbench reads version "
            f"{SCHEMA_VERSION}: use the effbench version that wrote it, or {_REMEDY}"
        )
    try:
        cells = [
            {
                **{name: row[name] for name in ABOUT},
                "settings": json.dumps(row["params"], sort_keys=True),
                **{name: cell[name] for name in CELL},
                **{name: _number(cell.get(name)) for name in (*FIGURES, SLOPE)},
            }
            for row in data["rows"]
            for cell in row["cells"]
        ]
        provenance = dict(data["provenance"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{path}: is damaged ({error!r}): {_REMEDY}") from error
    if not cells:
        raise RecordError(f"{path}: holds no cells: {_REMEDY}")
    return Snapshot(str(path), _frame(cells), provenance, reference=str(data.get("reference", "")))


def write(path: str | Path, snapshot: Snapshot) -> None:
    """Write a baseline file, atomically. Raises EffbenchError when it cannot be written."""
    files.write_text(path, to_text(snapshot))


def to_text(snapshot: Snapshot) -> str:
    """Return a baseline file's text: rows in the order of their names, ten significant digits."""
    keys = [*ABOUT, "settings"]
    rows = []
    for about, own in snapshot.cells.groupby(keys, dropna=False):
        values = dict(zip(keys, about, strict=True))
        head = {name: _plain(values[name]) for name in ABOUT}
        head["params"] = json.loads(str(values["settings"]))
        cells = [
            _dump(_cell_line(cell)) for cell in own.sort_values("repetition").to_dict("records")
        ]
        lines = ",\n    ".join(cells)
        rows.append(f'{_dump(head)[:-1]}, "cells": [\n    {lines}\n  ]}}')
    top = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "reference": snapshot.reference}
    top["provenance"] = snapshot.provenance
    body = ",\n  ".join(rows)
    return f'{json.dumps(top, indent=1, ensure_ascii=False)[:-2]},\n "rows": [\n  {body}\n ]\n}}\n'


def default_path(snapshot: Snapshot, results: Path = RESULTS) -> Path:
    """Return results/<device>/<suite>-baseline.json.

    Raises ConfigError if the cells are of several suites or devices.
    """
    names = {}
    for column in ("device", "suite"):
        found = sorted(set(snapshot.cells[column]))
        if len(found) != 1:
            raise ConfigError(
                f"{snapshot.source}: has cells of {len(found)} {column}s ({', '.join(found)}): "
                "name the file to write with --out"
            )
        names[column] = found[0]
    return results / files.slug(names["device"]) / f"{files.slug(names['suite'])}-baseline.json"


def weaknesses(snapshot: Snapshot) -> list[str]:
    """Return what makes this a poor baseline: failures, too few seeds, uncommitted changes."""
    cells = snapshot.cells
    done = (cells["status"] == "ok").groupby([cells[name] for name in ABOUT[:5]]).sum()
    notes = []
    if failed := int((cells["status"] != "ok").sum()):
        notes.append(f"{failed} of {len(cells)} cells failed")
    if single := int((done == 1).sum()):
        notes.append(f"{single} of {len(done)} rows have one seed, which no check can judge")
    if snapshot.provenance.get("dirty") not in (False, None):
        notes.append("made with uncommitted changes")
    return notes


def _slope(folder: Path, cell: Record) -> float:
    try:
        curve = curves.read(folder, cell)
    except RecordError:
        return math.nan
    return math.nan if curve is None else equal_iterations.slope(curve)


def _cells(records: Sequence[Record]) -> pd.DataFrame:
    frame = tables.cells(records)
    frame["eval_views"] = [r.quality.get("eval_views") for r in records]
    frame["threads"] = [r.provenance.get("threads") for r in records]
    done = frame[frame["status"] == "ok"]
    row = ["suite", "method", "variant", "scene", "budget", "settings", "device"]
    # A cell that failed knows nothing of these: it belongs to the row of those that finished.
    for name in ("eval_views", "threads", "backend"):
        known = done.groupby(row)[name].agg("first")
        adopted = pd.MultiIndex.from_frame(frame[row]).map(known.to_dict())
        frame[name] = frame[name].where(frame["status"] == "ok", pd.Series(adopted, frame.index))
    return _frame(frame.to_dict("records"))


def _frame(cells: Sequence[dict[Any, Any]]) -> pd.DataFrame:
    numbers = [*FIGURES, SLOPE]
    frame = pd.DataFrame(list(cells)).reindex(columns=[*ABOUT, "settings", *CELL, *numbers])
    frame[numbers] = frame[numbers].astype(float)
    for name in ("threads", "eval_views"):
        frame[name] = frame[name].astype(float).astype("Int64")
    return frame


def _provenance(records: Sequence[Record]) -> dict[str, Any]:
    """Return what made the records: a value, or a list of values where they differ."""
    found: dict[str, Any] = {}
    for name in _PROVENANCE:
        values: dict[str, Any] = {}
        for each in records:
            value = each.provenance.get(name)
            values[json.dumps(value, sort_keys=True)] = value
        found[name] = next(iter(values.values())) if len(values) == 1 else list(values.values())
    starts = sorted(str(r.provenance["started"]) for r in records if r.provenance.get("started"))
    return {**found, "started": starts[:1] + starts[-1:] if len(starts) > 1 else starts}


def _cell_line(cell: dict[Any, Any]) -> dict[str, Any]:
    line = {name: _plain(cell[name]) for name in CELL}
    figures = {name: cell[name] for name in (*FIGURES, SLOPE) if not pd.isna(cell[name])}
    return line | {name: _short(value) for name, value in figures.items()}


def _short(value: float) -> float | int:
    rounded = float(f"{value:.10g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value if isinstance(value, str) else int(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_REMEDY = "write it again with `effbench baseline RESULTS`"
