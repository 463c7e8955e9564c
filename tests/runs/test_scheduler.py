"""Which cell runs when: in order, parents first, as many as there is room for, each once."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from effbench.cell.facts import asked, scene_facts
from effbench.cell.reporting import Report
from effbench.planning.plan import Cell
from effbench.records.record import Record, Status
from effbench.runs.executors.contract import Ended
from effbench.runs.kept import Judgement
from effbench.runs.progress import Display
from effbench.runs.scheduler import Scheduler
from effbench.scene import SceneRef

SCENE = SceneRef("toy/grey")


class Scripted:
    """An executor whose cells end when it is told so, one each time that it is asked."""

    threads, here = None, True

    def __init__(self, at_once: int = 1, *, ahead: bool = False, fails: Sequence[str] = ()) -> None:
        self.at_once, self._ahead, self.fails = at_once, ahead, fails
        self.flying: list[str] = []
        self.story: list[str] = []
        self.stopped = False

    def room(self) -> int:
        return self.at_once - len(self.flying)

    def takes_children(self) -> bool:
        return self._ahead

    def start(self, cell: Cell, report: Report) -> None:
        assert self.room() > 0
        self.flying.append(cell.cell_id)
        self.story.append(f"+{cell.method}")
        report("train", 0.5, "")

    def ended(self) -> list[Ended]:
        cell_id = self.flying.pop(0)
        name = cell_id.partition("_")[0]
        self.story.append(f"-{name}")
        return [Ended(cell_id, int(name in self.fails))]

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        """Nothing is held."""


def cell(name: str, *parents: Cell) -> Cell:
    roles = {f"role{number}": parent.cell_id for number, parent in enumerate(parents)}
    return Cell("s", name, SCENE, "5it", parents=roles)


def record(cell: Cell, status: Status, reason: str = "") -> Record:
    return Record(**asked(cell), status=status, reason=reason, scene=scene_facts(cell))


def run(
    executor: Scripted, order: Sequence[Cell], kept: Sequence[Cell] = ()
) -> tuple[dict[str, str], str]:
    """Run cells; return their statuses by method, and what was printed."""
    stream = io.StringIO()
    stand = {each.cell_id for each in kept}

    def keep(cell: Cell) -> Judgement:
        return Judgement(record(cell, "ok") if cell.cell_id in stand else None)

    def read(cell: Cell, ended: Ended) -> Record:
        return record(cell, "failed" if ended.code else "ok")

    with Display(Console(file=stream), order, executor.at_once) as display:
        found = Scheduler(executor, display, keep, read, record).run(order)
    return {each.method: each.status for each in found.values()}, stream.getvalue()


A, B = cell("a"), cell("b")
CHILD = cell("child", A)
GRANDCHILD = cell("grandchild", CHILD, B)


def test_one_at_a_time_is_the_order() -> None:
    executor = Scripted()
    statuses, printed = run(executor, [B, A, CHILD, GRANDCHILD])
    assert executor.story == [
        "+b",
        "-b",
        "+a",
        "-a",
        "+child",
        "-child",
        "+grandchild",
        "-grandchild",
    ]
    assert set(statuses.values()) == {"ok"}
    assert [line.partition(" on")[0] for line in printed.splitlines()] == [
        *("[1/4] b", "[2/4] a", "[3/4] child", "[4/4] grandchild")
    ]


def test_children_wait_for_their_parents_while_others_run() -> None:
    executor = Scripted(at_once=3)
    run(executor, [A, CHILD, GRANDCHILD, B])
    assert executor.story == [
        "+a",
        "+b",
        "-a",
        "+child",
        "-b",
        "-child",
        "+grandchild",
        "-grandchild",
    ]


def test_a_cluster_takes_children_at_once() -> None:
    executor = Scripted(at_once=9, ahead=True)
    run(executor, [A, CHILD, B, GRANDCHILD])
    assert executor.story[:4] == ["+a", "+child", "+b", "+grandchild"]


@pytest.mark.parametrize("ahead", [False, True])
def test_who_starts_from_a_failed_cell_is_skipped(ahead: bool) -> None:
    executor = Scripted(at_once=9, ahead=ahead, fails=["a"])
    statuses, printed = run(executor, [A, CHILD, GRANDCHILD, B])
    assert statuses == {"a": "failed", "child": "skipped", "grandchild": "skipped", "b": "ok"}
    assert printed.count("parent failed: ") == 2
    assert ("+child" in executor.story) is ahead


def test_what_stands_is_not_run() -> None:
    executor = Scripted()
    statuses, printed = run(executor, [A, B, CHILD], kept=[A])
    assert executor.story == ["+b", "-b", "+child", "-child"]
    assert statuses == {"a": "ok", "b": "ok", "child": "ok"}
    assert printed.count("(kept from an earlier run)") == 1


def test_a_child_of_a_cell_in_flight_does_not_stand() -> None:
    executor = Scripted(at_once=9, ahead=True)
    run(executor, [A, CHILD], kept=[CHILD])
    assert "+child" in executor.story


def test_an_interruption_stops_what_is_in_flight() -> None:
    class Interrupted(Scripted):
        def ended(self) -> list[Ended]:
            raise KeyboardInterrupt

    executor = Interrupted(at_once=2)
    with pytest.raises(KeyboardInterrupt):
        run(executor, [A, B])
    assert executor.stopped
