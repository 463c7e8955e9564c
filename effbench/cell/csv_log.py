"""CSV files that grow while a cell runs, whole after every addition."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from effbench import files


class GrowingTable:
    """A file of rows that a reader never sees half a line of.

    Columns are those of all rows so far, in the order in which they appeared; a row without one
    of them, or with a figure that is not finite, has an empty field. kept: up to which `fraction`
    rows of a file that is there already are kept, for a cell that goes on (None: none are).
    """

    def __init__(self, path: Path, kept: float | None = None) -> None:
        self._path = path
        self._rows: list[Mapping[str, Any]] = []
        if kept is not None and path.exists():
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream))
            self._rows = [row for row in rows if float(row["fraction"]) <= kept]

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows and write the file. Raises EffbenchError when it cannot be written."""
        self._rows += [{key: _field(value) for key, value in row.items()} for row in rows]
        columns = dict.fromkeys(key for row in self._rows for key in row)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        files.write_text(self._path, stream.getvalue())


class GrowingTables:
    """A folder of such files, `<name>.csv` each, made when there is a first row for it; `kept` as
    in `GrowingTable`."""

    def __init__(self, folder: Path, kept: float | None = None) -> None:
        self._folder = folder
        self._kept = kept
        self._tables: dict[str, GrowingTable] = {}

    def add(self, fraction: float, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Add rows to each table, `fraction` (of the budget) in front of each."""
        for name, rows in tables.items():
            if rows:
                if name not in self._tables:
                    self._tables[name] = GrowingTable(self._folder / f"{name}.csv", self._kept)
                self._tables[name].add([{"fraction": fraction, **row} for row in rows])


def _field(value: Any) -> Any:
    return "" if isinstance(value, float) and not math.isfinite(value) else value
