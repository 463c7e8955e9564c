"""What the scheduler and those who run cells know of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from effbench.cell.reporting import Report
from effbench.planning.plan import Cell


@dataclass(frozen=True)
class Ended:
    """A cell whose process is gone.

    code: its exit status, negative if a signal ended it; reason: why, where the executor knows.
    """

    cell_id: str
    code: int
    reason: str = ""


class Executor(Protocol):
    """Runs cells, several at a time."""

    @property
    def at_once(self) -> int:
        """How many cells run at once, at most."""
        ...

    @property
    def threads(self) -> int | None:
        """How many processors each has; None: all that there are."""
        ...

    @property
    def here(self) -> bool:
        """Whether they run on this machine."""
        ...

    def room(self) -> int:
        """Return how many more cells it takes now."""
        ...

    def takes_children(self) -> bool:
        """Whether it takes a cell whose parents are in flight, and runs it once these are done."""
        ...

    def start(self, cell: Cell, report: Report) -> None:
        """Take a cell. report: told of its progress, perhaps in another thread."""
        ...

    def ended(self) -> list[Ended]:
        """Return what has ended since the last call; waits a moment if nothing has."""
        ...

    def stop(self) -> None:
        """Stop what is in flight, politely at first, and wait until it is gone."""
        ...

    def close(self) -> None:
        """Give up what the executor holds; nothing is in flight any more."""
        ...
