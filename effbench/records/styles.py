"""How a table's texts are written in Markdown and LaTeX: escaped, set off, marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from effbench.analysis.standing import BEST, SECOND
from effbench.records import latex

BETTER, WORSE = "▲", "▼"


@dataclass(frozen=True)
class Style:
    """escape: of plain text; bold, underlined: of escaped text."""

    escape: Callable[[object], str]
    bold: Callable[[str], str]
    underlined: Callable[[str], str]

    def figure(self, text: str, place: int, mark: str) -> str:
        """Return a figure's text, set off by its place, with its mark behind."""
        if not text:
            return ""
        written = self.escape(text)
        written = self.bold(written) if place == BEST else written
        written = self.underlined(written) if place == SECOND else written
        return f"{written} {self.escape(mark)}" if mark else written


MARKDOWN = Style(
    escape=lambda text: str(text).replace("|", "\\|"),
    bold=lambda text: f"**{text}**",
    underlined=lambda text: f"<u>{text}</u>",
)
LATEX = Style(escape=latex.escape, bold=latex.bold, underlined=latex.underlined)
