"""Which cell runs next: a plan's cells in their order, parents first, as many as there is room for.

Every cell ends as a record, whatever became of it: one whose process left none gets its record
here, and one whose parent failed is recorded as skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from effbench.planning.plan import Cell
from effbench.records.record import Record, Status
from effbench.runs.executors.contract import Ended, Executor
from effbench.runs.kept import Judgement
from effbench.runs.progress import Display


class Scheduler:
    """Runs cells by an executor.

    keep: looks whether a finished cell stands, and makes the folder of one that does not ready;
    read: gives the record of a cell that has ended; write: makes one for a cell that cannot.
    """

    def __init__(
        self,
        executor: Executor,
        display: Display,
        keep: Callable[[Cell], Judgement],
        read: Callable[[Cell, Ended], Record],
        write: Callable[[Cell, Status, str], Record],
        known: dict[str, Record] | None = None,
    ) -> None:
        """known: records of cells that are done and not to be looked at again."""
        self._executor, self._display = executor, display
        self._keep, self._read, self._write = keep, read, write
        self.records: dict[str, Record] = known or {}
        self._waiting: dict[str, Cell] = {}
        self._flying: dict[str, Cell] = {}

    def run(self, order: Sequence[Cell]) -> dict[str, Record]:
        """Run cells, in this order as far as room and parents allow; return records by cell id.

        On an exception, such as KeyboardInterrupt, what is in flight is stopped first.
        """
        self._waiting = {cell.cell_id: cell for cell in order}
        for cell_id in self._waiting:
            self.records.pop(cell_id, None)
        try:
            while self._waiting or self._flying:
                self._start()
                if not self._flying and not self._waiting:
                    break
                for ended in self._executor.ended():
                    self._end(ended)
                self._display.tick()
        except BaseException:
            self._executor.stop()
            raise
        return self.records

    def _start(self) -> None:
        """Start what can be started now; keep or skip what need not run."""
        for cell in self._ready():
            if self._settle(cell):
                continue
            self._flying[cell.cell_id] = cell
            self._executor.start(cell, self._display.reporter(cell))

    def _ready(self) -> Iterator[Cell]:
        """Yield waiting cells whose turn it is, each taken from those that wait, while there is
        room."""
        for cell in list(self._waiting.values()):
            if not self._executor.room():
                return
            if self._parents_seen(cell):
                del self._waiting[cell.cell_id]
                yield cell

    def _parents_seen(self, cell: Cell) -> bool:
        """Whether a cell's parents are done, or in flight where that is enough."""
        flying = self._executor.takes_children()
        return all(
            parent in self.records or (flying and parent in self._flying)
            for parent in cell.parents.values()
        )

    def _settle(self, cell: Cell) -> bool:
        """Whether a cell's record is known without running it: a parent failed, or it stands."""
        self._display.begin(cell)
        done = [parent for parent in cell.parents.values() if parent in self.records]
        judged = Judgement(None)
        if len(done) == len(cell.parents):  # else a parent is trained anew, and so is the cell
            judged = self._keep(cell)
        found = judged.record or self._skipped(cell)
        if found is None:
            return False
        self.records[cell.cell_id] = found
        self._display.finish(cell, found, judged)
        return True

    def _skipped(self, cell: Cell) -> Record | None:
        for parent in cell.parents.values():
            if parent in self.records and self.records[parent].status != "ok":
                return self._write(cell, "skipped", f"parent failed: {parent}")
        return None

    def _end(self, ended: Ended) -> None:
        cell = self._flying.pop(ended.cell_id)
        found = self._skipped(cell) or self._read(cell, ended)
        self.records[cell.cell_id] = found
        self._display.finish(cell, found, Judgement(None))
