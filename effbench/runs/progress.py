"""What a run says while it works: a progress bar on a terminal, one line per cell elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from effbench.cell.reporting import Report
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
_AFTER = ("evaluate", "export", "profile")  # phases after training
_LINES = 8  # cells in flight that have a line of their own


@dataclass
class _Begun:
    """A cell that began: what people read of it, when it did, and its line, if it has one."""

    label: str
    at: float
    line: TaskID | None = None


class Display:
    """Progress over the cells of a plan, `at_once` of which may be in flight. Times left are
    estimates and say so ("about")."""

    def __init__(self, console: Console, cells: Sequence[Cell], at_once: int = 1) -> None:
        self._console = console
        self._left = {cell.cell_id: cell.estimate_s for cell in cells}
        self._waits = sum(self._left.values())  # of cells that have not begun
        self._total = len(cells)
        self._at_once = at_once
        self._number = 0
        self._begun: dict[str, _Begun] = {}
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
            self._task = self._bar.add_task("", total=self._waits, left="")

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

    def begin(self, cell: Cell) -> None:
        """It is a cell's turn."""
        self._number += 1
        self._waits -= self._left[cell.cell_id]
        label = f"[{self._number}/{self._total}] {cell.label}"
        self._begun[cell.cell_id] = _Begun(label, time.monotonic())

    def reporter(self, cell: Cell) -> Report:
        """Return what is told of a cell's progress; it may be called in another thread."""
        begun = self._begun[cell.cell_id]
        if self._bar and self._at_once > 1 and len(self._begun) <= _LINES:
            begun.line = self._bar.add_task(escape(begun.label), total=1.0, left="")

        def report(phase: str, fraction: float, note: str) -> None:
            if self._bar:
                self._show(begun, phase, fraction, note)

        report("load", 0.0, "")
        return report

    def _show(self, begun: _Begun, phase: str, fraction: float, note: str) -> None:
        assert self._bar is not None
        percent = f" {fraction:.0%}" if phase in ("train", "evaluate") else ""
        state = " ".join(part for part in (f"{_PHASES[phase]}{percent}", note) if part)
        text = escape(f"{begun.label}: {state}")
        if begun.line is not None:
            done = fraction if phase == "train" else float(phase in _AFTER)
            self._bar.update(begun.line, description=text, completed=done)
        elif self._at_once == 1:
            self._bar.update(self._task, description=text)
        self.tick()

    def tick(self) -> None:
        """Time passes."""
        if not self._bar:
            return
        left = self._seconds_left()
        if self._at_once > 1:
            done = self._total - len(self._left)
            text = f"{done} of {self._total} cells done, {len(self._begun)} running"
            self._bar.update(self._task, description=text)
        total = self._bar.tasks[0].total or 0
        self._bar.update(self._task, completed=max(0.0, total - left), left=_about(left))

    def explain(self, cell: Cell, what: str, reasons: Sequence[str]) -> None:
        """Say why something is done with a cell that began, if there is a reason."""
        if reasons:
            self._print(f"{self._begun[cell.cell_id].label}: {what}, since {' and '.join(reasons)}")

    def finish(self, cell: Cell, result: Record, judged: Judgement) -> None:
        """A cell that began is done: run now, or kept from an earlier run."""
        kept = judged.record is not None
        begun = self._begun.pop(cell.cell_id)
        if self._bar and begun.line is not None:
            self._bar.remove_task(begun.line)
        del self._left[cell.cell_id]
        took = time.monotonic() - begun.at
        psnr = result.quality.get("psnr")
        parts = [
            result.status,
            f"{psnr:.2f} dB" if psnr is not None else "",
            _kept(judged.reasons) if kept else f"in {duration(took)}{_where(result)}",
            _about(self._seconds_left()) if self._left and not kept else "",
        ]
        line = f"{begun.label}: {' '.join(part for part in parts if part)}"
        reason = f"\n    {result.reason.splitlines()[0]}" if result.reason else ""
        self._print(line + reason)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _seconds_left(self) -> float:
        now = time.monotonic()
        begun = [max(0.0, self._left[name] - (now - b.at)) for name, b in self._begun.items()]
        return max([(self._waits + sum(begun)) / self._at_once, *begun])


def _interactive(console: Console) -> bool:
    """Whether somebody watches: FORCE_COLOR makes rich take a file for a terminal, but a bar that
    moves has no place there."""
    isatty = getattr(console.file, "isatty", None)
    return console.is_terminal and bool(isatty and isatty())


def _where(result: Record) -> str:
    """Return " on HOST" for a cell that another executor than `local` ran."""
    told = result.provenance.get("executor") or {}
    return f" on {told['host']}" if told.get("name", "local") != "local" else ""


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
