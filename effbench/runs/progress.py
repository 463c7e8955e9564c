"""What a run says while it works: a progress bar on a terminal, one line per cell elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from effbench.planning.plan import Cell
from effbench.records.record import Record
from effbench.runs.kept import Judgement

_PHASES = {
    "load": "loading",
    "wait": "waiting for another run's cell on this device",
    "prepare": "preparing",
    "setup": "warming up",
    "train": "training",
    "evaluate": "evaluating",
    "export": "exporting",
    "profile": "profiling",
}


class Display:
    """Progress over the cells of a plan. Times left are estimates and say so ("about")."""

    def __init__(self, console: Console, cells: Sequence[Cell]) -> None:
        self._console = console
        self._left = {cell.cell_id: cell.estimate_s for cell in cells}
        self._total = len(cells)
        self._number = 0
        self._began = 0.0
        self._label = ""
        self._bar: Progress | None = None
        if _interactive(console):
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=sum(self._left.values()), left="")

    def __enter__(self) -> Display:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def start(self, cell: Cell) -> None:
        """A cell begins."""
        self._number += 1
        self._began = time.monotonic()
        self._label = f"[{self._number}/{self._total}] {cell.label}"
        self._current = cell.cell_id
        self.update("load", 0.0, "")

    def update(self, phase: str, fraction: float, note: str) -> None:
        """The cell in flight has come to `fraction` of a phase."""
        if self._bar:
            percent = f" {fraction:.0%}" if phase in ("train", "evaluate") else ""
            state = " ".join(part for part in (f"{_PHASES[phase]}{percent}", note) if part)
            self._bar.update(self._task, description=escape(f"{self._label}: {state}"))
            self.tick()

    def tick(self) -> None:
        """Time passes."""
        if self._bar:
            left = self._seconds_left(time.monotonic() - self._began)
            done = (self._bar.tasks[0].total or 0) - left
            self._bar.update(self._task, completed=done, left=_about(left))

    def explain(self, what: str, reasons: Sequence[str]) -> None:
        """Say why something is done with the cell that began, if there is a reason."""
        if reasons:
            self._print(f"{self._label}: {what}, since {' and '.join(reasons)}")

    def finish(self, result: Record, judged: Judgement) -> None:
        """The cell that began is done: run now, or kept from an earlier run."""
        kept = judged.record is not None
        del self._left[self._current]
        took = time.monotonic() - self._began
        psnr = result.quality.get("psnr")
        parts = [
            result.status,
            f"{psnr:.2f} dB" if psnr is not None else "",
            _kept(judged.reasons) if kept else f"in {duration(took)}",
            _about(self._seconds_left(0.0)) if self._left and not kept else "",
        ]
        line = f"{self._label}: {' '.join(part for part in parts if part)}"
        reason = f"\n    {result.reason.splitlines()[0]}" if result.reason else ""
        self._print(line + reason)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _seconds_left(self, spent: float) -> float:
        here = self._left.get(self._current, 0.0)
        return sum(self._left.values()) - min(spent, here)


def _interactive(console: Console) -> bool:
    """Whether somebody watches: FORCE_COLOR makes rich take a file for a terminal, but a bar that
    moves has no place there."""
    isatty = getattr(console.file, "isatty", None)
    return console.is_terminal and bool(isatty and isatty())


def _kept(reasons: Sequence[str]) -> str:
    stale = f", stale: {' and '.join(reasons)}" if reasons else ""
    return f"(kept from an earlier run{stale})"


def duration(seconds: float) -> str:
    """Return seconds as people say them: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _about(seconds: float) -> str:
    return f"(about {duration(seconds)} left)"
