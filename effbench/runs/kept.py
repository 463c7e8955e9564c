"""Which finished cells of an earlier run still stand, and why the others are done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from effbench.cell import identity
from effbench.errors import EffbenchError, RecordError
from effbench.machine import provenance
from effbench.planning import sources
from effbench.planning.plan import Cell, Plan
from effbench.planning.registry import Registry
from effbench.records import record
from effbench.records.layout import MODEL, RECORD, cell_folder
from effbench.records.record import Record
from effbench.scene import SceneRef


@dataclass(frozen=True)
class Judgement:
    """record: of a cell that stands, None for one to be run; reasons: why one that had finished
    is run again, or is kept although it is stale."""

    record: Record | None
    reasons: Sequence[str] = ()


@dataclass
class Keeper:
    """Looks at finished cells, and at a scene's files once for all its cells.

    keep_stale: let cells stand that are of other code, data or machines; their records say so;
    threads: how many a cell would have now (None: all that there are); here: whether it would run
    on this machine.
    """

    planned: Plan
    out: Path
    registry: Registry
    keep_stale: bool = False
    threads: int | None = None
    here: bool = True
    _manifests: dict[str, str] = field(default_factory=dict)

    def judge(self, cell: Cell) -> Judgement:
        """Return whether a cell's result stands.

        Raises EffbenchError for one that finished but cannot be compared, its scene being gone.
        """
        found = self._finished(cell)
        if found is None:
            return Judgement(None)
        expected = identity.now(
            cell, sources.of(cell, self.registry), self._manifest(cell), self.out
        )
        if self.threads is not None:
            expected["threads"] = self.threads
        name = _device_name(cell) if self.here else ""
        reasons = identity.changes(found, expected, name)
        if reasons and not self.keep_stale:
            return Judgement(None, reasons)
        return Judgement(self._updated(found, cell, "; ".join(reasons)), reasons)

    def _finished(self, cell: Cell) -> Record | None:
        """Return a cell's record if it ended well and left its model."""
        folder = cell_folder(self.out, cell.cell_id)
        try:
            found = record.read(folder / RECORD)
        except RecordError:
            return None
        return found if found.status == "ok" and (folder / MODEL).exists() else None

    def _updated(self, found: Record, cell: Cell, stale: str) -> Record:
        """Return a record that says how its cell stands today, written if that is new."""
        role = "row" if cell.role == "row" else found.role
        known = {**found.identity, "stale": stale or None}
        if role == found.role and (found.identity.get("stale") or None) == known["stale"]:
            return found
        result = replace(found, role=role, identity=known)
        record.write(cell_folder(self.out, cell.cell_id) / RECORD, result)
        return result

    def _manifest(self, cell: Cell) -> str:
        key = cell.scene.name + repr(sorted(cell.scene.params.items()))
        if key not in self._manifests:
            self._manifests[key] = self._read(cell.scene, cell.cell_id)
        return self._manifests[key]

    def _read(self, scene: SceneRef, cell_id: str) -> str:
        try:
            return self.registry.scene_manifest(scene, self.planned.scenes_root)
        except EffbenchError as error:
            raise type(error)(
                f"{error}: nobody can tell whether the finished {cell_id} is of that scene; make "
                "it readable, or choose another --out"
            ) from error


def _device_name(cell: Cell) -> str:
    """Return the name of the device that a cell runs on; "" for a GPU, which is not asked: that
    would take memory of it."""
    return provenance.device_name(torch.device("cpu")) if cell.device == "cpu" else ""
