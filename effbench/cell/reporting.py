"""How a cell tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float, str], None]  # phase, its spent fraction in [0, 1], a note


def silent(phase: str, fraction: float, note: str) -> None:
    """Report nothing."""
