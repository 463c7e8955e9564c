"""Who is told how far things are."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by what takes long."""

    def say(self, text: str) -> None:
        """Tell something in words."""

    def step(self, what: str, done: int, total: int | None) -> None:
        """Tell how many bytes of something are done."""

    def count(self, what: str, done: int, total: int | None) -> None:
        """Tell how many parts of something are done."""
