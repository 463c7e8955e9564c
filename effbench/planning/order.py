"""The order in which a plan's cells run."""

from __future__ import annotations

import random
from itertools import groupby

from effbench.planning.plan import Cell, Plan


def interleaved(planned: Plan) -> list[Cell]:
    """Return the cells repetition by repetition, those of each shuffled, parents first.

    A machine that grows slower during a run then slows no row more than another. The order follows
    from the plan alone, so that a run that is completed later keeps it.
    """
    by_id = {cell.cell_id: cell for cell in planned.cells}
    ordered: dict[str, Cell] = {}

    def add(cell: Cell) -> None:
        for parent in cell.parents.values():
            add(by_id[parent])
        ordered.setdefault(cell.cell_id, cell)

    by_repetition = sorted(planned.cells, key=lambda cell: cell.repetition)
    for repetition, cells in groupby(by_repetition, key=lambda cell: cell.repetition):
        shuffled = list(cells)
        random.Random(f"{planned.suite} {repetition}").shuffle(shuffled)
        for cell in shuffled:
            add(cell)
    return list(ordered.values())
