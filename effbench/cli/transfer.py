"""How far something is that takes long: a bar on a terminal, elsewhere what is said in words."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from effbench.datasets import sizes


class Transfer:
    """Tells how many bytes of something are done, and what else happens, on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._what = ""
        self._task = self._bar.add_task("", visible=False, told="")

    def __enter__(self) -> Transfer:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a text."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def step(self, what: str, done: int, total: int | None) -> None:
        """Show that `done` bytes of something are done, of how many."""
        self._show(what, done, total, f"{sizes.text(done)} of {sizes.text(total)}")

    def count(self, what: str, done: int, total: int | None) -> None:
        """Show that `done` parts of something are done, of how many."""
        self._show(what, done, total, f"{done} of {total}")

    def _show(self, what: str, done: int, total: int | None, told: str) -> None:
        if what != self._what:
            self._what = what
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(what, told=told, completed=done)
        self._bar.update(self._task, completed=done, total=total, told=told)
