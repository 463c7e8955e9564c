"""The page's bars of the parts of a step, and its lines of how busy the machine was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from effbench.analysis.identity import GROUP, spaced
from effbench.records import profiles
from effbench.records.results import Results
from effbench.report.palette import USE, part_colours, title


@dataclass(frozen=True)
class Piece:
    """A part in a bar: place and width in percent of the longest bar."""

    left: float
    width: float
    colour: str
    said: str


@dataclass(frozen=True)
class Bar:
    """A row's step, total in ms; cells: ms of each part of the legend, as text."""

    name: str
    total: float
    pieces: list[Piece]
    cells: list[str]

    @property
    def said(self) -> str:
        return ", ".join(piece.said for piece in self.pieces)


@dataclass(frozen=True)
class Line:
    """points: of an SVG polyline, 100 by 100, 0 at the top."""

    points: str
    colour: str
    said: str


@dataclass(frozen=True)
class Use:
    """How busy the machine was while a row trained for some seconds."""

    name: str
    seconds: float
    lines: list[Line]

    @property
    def said(self) -> str:
        return ", ".join(line.said for line in self.lines)


@dataclass
class Profiled:
    """The profiled rows of a scene, budget and device. legend: parts and their colours."""

    title: str
    legend: list[tuple[str, str]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)


def profiled(found: Results) -> list[Profiled]:
    """Return what was profiled, by scene, budget and device; nothing where nothing was."""
    parts, uses = profiles.parts(found.records), profiles.utilisation(found.records)
    both = pd.concat([parts[[*GROUP]], uses[[*GROUP]]])
    colours = part_colours(map(str, parts["part"].unique()))
    made: dict[Any, Profiled] = {}
    for frame in (parts, uses):
        for key, rows in frame.groupby([*GROUP], sort=True):
            group = made.setdefault(key, Profiled(title(rows, both)))
            if frame is parts:
                _add_bars(group, rows, colours)
            else:
                group.uses = [_use(name, own) for name, own in _by_row(rows)]
    return [made[key] for key in sorted(made)]


def _add_bars(group: Profiled, rows: pd.DataFrame, colours: dict[str, str]) -> None:
    names = [str(n) for n in rows["part"].cat.categories if (rows["part"] == n).any()]
    group.legend = [(name, colours[name]) for name in names]
    each = {name: dict(zip(own["part"], own["ms"], strict=True)) for name, own in _by_row(rows)}
    longest = max(sum(ms.values()) for ms in each.values()) or 1.0
    group.bars = [_bar(name, ms, group.legend, longest) for name, ms in each.items()]


def _bar(name: str, ms: dict[str, float], legend: list[tuple[str, str]], longest: float) -> Bar:
    pieces, left = [], 0.0
    for part, colour in legend:
        if part in ms:
            width = 100 * ms[part] / longest
            pieces.append(Piece(left, width, colour, f"{part} {ms[part]:.2f} ms"))
            left += width
    cells = [f"{ms[part]:.2f}" if part in ms else "" for part, _ in legend]
    return Bar(name, sum(ms.values()), pieces, cells)


def _use(name: str, rows: pd.DataFrame) -> Use:
    end = max(float(rows["t_s"].max()), 1e-9)
    lines = []
    for column in profiles.LINES:
        known = rows.dropna(subset=[column])
        if known.empty:
            continue
        colour, label = USE[column]
        places = zip(100 * known["t_s"] / end, 100 * (1 - known[column]), strict=True)
        points = [f"{x:.2f},{y:.2f}" for x, y in places]
        first = points[0].partition(",")[2]  # a figure is of the time since the one before
        mean = f"{label} {known[column].mean():.0%}"
        lines.append(Line(" ".join([f"0,{first}", *points]), colour, mean))
    return Use(name, end, lines)


def _by_row(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = rows.groupby(["method", "variant"], sort=True)
    return [(spaced(str(method), str(variant)), own) for (method, variant), own in groups]
