"""An executor for tests: cells run in this process, at once, without its start."""

from __future__ import annotations

from pathlib import Path

from effbench.cell.reporting import Report
from effbench.planning import registry
from effbench.planning.plan import Cell, read
from effbench.runs.executors.contract import Ended
from effbench.runs.worker import run_planned


class InThisProcess:
    """Runs a cell when it is given it, and tells at the next opportunity that it has ended."""

    at_once, threads, here = 1, None, True

    def __init__(self, out: Path) -> None:
        self._out = out
        self._ended: list[Ended] = []

    def room(self) -> int:
        return int(not self._ended)

    def takes_children(self) -> bool:
        return False

    def start(self, cell: Cell, report: Report) -> None:
        plan = read(self._out)
        run_planned(plan, cell, self._out, registry.discover(plan.plugins), report)
        self._ended.append(Ended(cell.cell_id, 0))

    def ended(self) -> list[Ended]:
        found, self._ended = self._ended, []
        return found

    def stop(self) -> None:
        """Nothing is in flight."""

    def close(self) -> None:
        """Nothing is held."""
