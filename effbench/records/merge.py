"""One results folder out of several, from one machine or many.

A cell is the same as another if it has the same id on the same machine: the id covers everything
that was asked for, the machine is what was had. Cells of several machines go to a folder each,
since their ids may be equal; those of one go to the new folder itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from effbench import files
from effbench.errors import ConfigError, EffbenchError, RecordError
from effbench.records import layout, record
from effbench.records.record import Record
from effbench.records.write import write_tables

FILE = "merge.json"

OnConflict = Literal["latest", "error"]
_Target = tuple[str, str]  # machine, cell id


@dataclass
class Merged:
    """What was merged. cells: kept; duplicates: copies of one of these; superseded: earlier runs
    of one of these, left out, as "folder of the cell"; machines: their folders, "" for one."""

    out: Path
    cells: int = 0
    duplicates: int = 0
    superseded: list[str] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    folder: Path  # of the cell
    record: Record

    @property
    def started(self) -> str:
        return str(self.record.provenance.get("started") or "")

    @property
    def truth(self) -> Path:
        """The ground truth of its scene, which may not be there."""
        return self.folder.parent.parent / "truth" / str(self.record.scene["key"])


def merge(folders: Sequence[str | Path], out: str | Path, on_conflict: OnConflict) -> Merged:
    """Copy the cells below `folders` to a new folder and write its tables.

    A cell that was run more than once and is not the same: the last run wins, or an error. Nothing
    is left behind if something goes wrong. Raises ConfigError for an `out` that is there already,
    RecordError for a record that cannot be read, for a conflict, and for one scene with different
    files; EffbenchError if something cannot be copied.
    """
    target = Path(out)
    if target.exists():
        raise ConfigError(f"{target}: is there already: name a new folder, nothing is overwritten")
    cells = _by_target(folders)
    if not cells:
        raise RecordError(
            f"{', '.join(map(str, folders))}: no records: name output folders of runs"
        )
    result = Merged(target)
    chosen = {place: _choose(found, on_conflict, result) for place, found in cells.items()}
    machines = sorted({machine for machine, _ in chosen})
    result.cells, result.machines = len(chosen), machines
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        for (machine, cell_id), source in chosen.items():
            root = temporary / machine if len(machines) > 1 else temporary
            _copy(source, root, cell_id)
        _write_about(temporary, folders, result)
        write_tables(temporary)
        temporary.rename(target)
    except OSError as error:
        raise EffbenchError(
            f"{target}: cannot be written ({error.strerror or error}): free disk space or name "
            "another --out"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return result


def machine(cell: Record) -> str:
    """Return a folder's name for the hardware of a cell: a CPU is told by its threads, too."""
    threads = cell.provenance.get("threads")
    on_cpu = cell.device == cell.provenance.get("cpu") and threads is not None
    return files.slug(f"{cell.device} {threads} threads" if on_cpu else cell.device)


def _by_target(folders: Sequence[str | Path]) -> dict[_Target, list[_Source]]:
    """Return every cell below `folders` by its place, in the order of `folders`."""
    cells: dict[_Target, list[_Source]] = {}
    for folder in folders:
        found = record.locate([folder])
        known = {machine(r) for r in found.values() if r.device}
        for path, each in found.items():
            # Some failures know no device: they belong to the folder's only one.
            place = next(iter(known)) if not each.device and len(known) == 1 else machine(each)
            cells.setdefault((place, each.cell_id), []).append(_Source(path, each))
    return cells


def _choose(sources: Sequence[_Source], on_conflict: OnConflict, result: Merged) -> _Source:
    different: list[_Source] = []
    for source in sources:
        if any(source.record == other.record for other in different):
            result.duplicates += 1
        else:
            different.append(source)
    if len(different) == 1:
        return different[0]
    if on_conflict == "error":
        where = " and ".join(f"{s.folder} ({s.started or 'no date'})" for s in different)
        raise RecordError(
            f"cell {different[0].record.cell_id} was run more than once: {where}: leave one out, "
            "or let the last run win with --on-conflict latest"
        )
    last = max(enumerate(different), key=lambda entry: (entry[1].started, entry[0]))[1]
    result.superseded += [str(s.folder) for s in different if s is not last]
    return last


def _copy(source: _Source, root: Path, cell_id: str) -> None:
    shutil.copytree(source.folder, layout.cell_folder(root, cell_id))
    truth = root / "truth" / str(source.record.scene["key"])
    if not source.truth.is_dir():
        return
    if not truth.exists():
        shutil.copytree(source.truth, truth)
        return
    # runs that evaluated other views have other files; those that both have must be equal
    same = True
    for path in sorted(source.truth.iterdir()):
        kept = truth / path.name
        if not kept.exists():
            shutil.copy2(path, kept)
        same = same and kept.read_bytes() == path.read_bytes()
    if not same:
        raise RecordError(
            f"{source.truth}: differs from the ground truth of the same scene in another folder: "
            "these runs cannot be compared, merge them one by one"
        )


def _write_about(folder: Path, sources: Sequence[str | Path], result: Merged) -> None:
    about = {
        "sources": [str(Path(source).resolve()) for source in sources],
        "cells": result.cells,
        "duplicates": result.duplicates,
        "superseded": result.superseded,
        "machines": result.machines,
    }
    files.write_json(folder / FILE, about)
