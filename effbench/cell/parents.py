"""The results that a cell starts from, as its parents left them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import safetensors.torch

from effbench.errors import EffbenchError
from effbench.method import Checkpoint, Method
from effbench.planning.plan import Cell
from effbench.records import record
from effbench.records.layout import MODEL, RECORD, cell_folder
from effbench.records.record import Record


def load_parents(
    cell: Cell | Record,
    out: Path,
    classes: Callable[[str], type[Method]] | None = None,
    manifest: str | None = None,
) -> tuple[dict[str, Checkpoint], dict[str, float]]:
    """Return the checkpoints of a cell's parents by role, and the seconds spent on making them by
    cell, the parents' parents and what was prepared for them included.

    manifest: of the scene that the cell is trained on, if parents are to be of the same. Raises
    RecordError or EffbenchError if a parent has not left its result below `out`, or is of others.
    """
    checkpoints = {}
    prepared: dict[str, float] = {}
    for role, cell_id in cell.parents.items():
        folder = cell_folder(out, cell_id)
        parent = record.read(folder / RECORD)
        if parent.status != "ok":
            raise EffbenchError(f"parent {cell_id} is {parent.status}: {parent.reason}")
        same = manifest is not None and parent.scene["name"] == _scene_name(cell)
        if same and parent.scene.get("manifest") != manifest:
            raise EffbenchError(
                f"parent {cell_id} was trained on other data of {parent.scene['name']} than are "
                "there now: run the same command with --fresh"
            )
        state = safetensors.torch.load_file(folder / MODEL)
        cls = classes(parent.method) if classes else None
        theirs, _ = load_parents(parent, out, classes)
        checkpoints[role] = Checkpoint(parent.method, parent.params, state, folder, cls, theirs)
        prepared |= parent.time.get("prepared") or {}
        prepared[cell_id] = sum(parent.time[key] or 0.0 for key in ("setup_s", "train_s"))
    return checkpoints, prepared


def _scene_name(cell: Cell | Record) -> str:
    name: str = cell.scene.name if isinstance(cell, Cell) else cell.scene["name"]
    return name
