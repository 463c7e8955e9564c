"""Cells run repetition by repetition, shuffled, parents first: the same way every time."""

from __future__ import annotations

from effbench.planning.order import interleaved
from effbench.planning.plan import Cell, Plan
from effbench.scene import SceneRef

SCENE = SceneRef("toy/grey")


def plan(rows: int, repetitions: int) -> Plan:
    """Rows that each start from the first, in the order of a plan."""
    cells = []
    for repetition in range(repetitions):
        parent = Cell("s", "dense", SCENE, "5it", repetition=repetition, role="parent")
        cells.append(parent)
        for row in range(rows):
            child = Cell(
                *("s", f"m{row}", SCENE, "5it"),
                repetition=repetition,
                parents={"dense": parent.cell_id},
            )
            cells.append(child)
    return Plan("s", tuple(cells))


def test_every_cell_runs_once_after_its_parents() -> None:
    planned = plan(rows=6, repetitions=3)
    order = interleaved(planned)
    assert sorted(c.cell_id for c in order) == sorted(c.cell_id for c in planned.cells)
    place = {cell.cell_id: index for index, cell in enumerate(order)}
    assert all(place[p] < place[c.cell_id] for c in order for p in c.parents.values())


def test_a_repetition_ends_before_the_next_begins() -> None:
    repetitions = [cell.repetition for cell in interleaved(plan(rows=4, repetitions=3))]
    assert repetitions == sorted(repetitions)


def test_rows_are_shuffled_anew_in_each_repetition_but_alike_in_each_run() -> None:
    planned = plan(rows=8, repetitions=3)
    order = interleaved(planned)
    assert order == interleaved(planned)
    rounds = [[c.method for c in order if c.repetition == r] for r in range(3)]
    assert len({tuple(methods) for methods in rounds}) == 3
