"""One cell anew: the plan of it and of its parents alone, with the seeds and settings it had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from effbench.errors import EffbenchError
from effbench.planning import plan
from effbench.planning.plan import Cell, Plan
from effbench.records import record
from effbench.records.layout import RECORD
from effbench.records.record import Record


def original(path: Path) -> tuple[Record, Plan]:
    """Return a record and the plan that runs its cell again: parents first, nothing else.

    path: a cell's folder, or its record.json, in the folder of a run. Raises EffbenchError if it
    cannot be read, or if no plan beside it has the cell.
    """
    folder = (path if path.is_dir() else path.parent).resolve()
    found = record.read(folder / RECORD if path.is_dir() else path)
    out = folder.parent.parent
    planned = plan.find(out, found.cell_id)
    if planned is None:
        raise EffbenchError(
            f"{out}: no {plan.FILES} there has the cell {found.cell_id}: name a record in the "
            "folder that effbench run or effbench merge wrote, with its plans"
        )
    return found, part(planned, found.cell_id)


def part(planned: Plan, cell_id: str) -> Plan:
    """Return the plan of one cell and of what it starts from, directly or not, in order."""
    cells = tuple(_alone(cell) for cell in planned.needed(cell_id))
    return replace(planned, cells=cells, paper="", baseline="", command=())


def _alone(cell: Cell) -> Cell:
    return replace(cell, control="")
