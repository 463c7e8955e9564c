"""Tornado charts for a report: bars as shapes in a table, with their figures as text."""

from __future__ import annotations

import math
from dataclasses import dataclass

from effbench.analysis import tornado
from effbench.analysis.identity import GROUP, spaced
from effbench.analysis.measures import MEASURES
from effbench.analysis.tornado import Bar, Panel
from effbench.records import results
from effbench.records.results import Results
from effbench.report.palette import title

WIDTH = 160  # of a bar's cell, in pixels
_TITLES = {
    "tornado-time": "Time to the baseline’s PSNR",
    "tornado-memory": "Memory of training",
}


@dataclass(frozen=True)
class Shape:
    """A bar in pixels from the left, "better" or "worse" and its ends, "" for none; whisker: the
    ends of the interval; text: the figures."""

    kind: str = ""
    left: float = 0.0
    width: float = 0.0
    whisker: tuple[float, float] | None = None
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """headings: of the measures; ones: where 1× is in their cells; rows: name, a shape each;
    unreached: whether some row never reaches the baseline's PSNR."""

    title: str
    headings: list[str]
    ones: list[float]
    rows: list[tuple[str, list[Shape]]]
    unreached: bool


def charts(found: Results, baseline: str | None) -> list[Chart]:
    """Return the tornado charts of each group; none for results without enough rows of one
    factor."""
    compared = None if baseline is None else results.effects(found, baseline)
    if compared is None:
        return []
    made = []
    for _, group in compared.groupby([*GROUP], sort=False):
        for name, measures in tornado.CHARTS.items():
            if panels := tornado.panels(group, measures):
                made.append(_chart(f"{_TITLES[name]}: {title(group, compared)}", panels))
    return made


def _chart(name: str, panels: list[Panel]) -> Chart:
    headings = [MEASURES[panel.measure].short for panel in panels]
    ones = [round(WIDTH * tornado.inside(panel, 1.0), 1) for panel in panels]
    rows = [
        (spaced(*panels[0].bars[place].entry), [_shape(p, p.bars[place]) for p in panels])
        for place in range(len(panels[0].bars))
    ]
    unreached = any(bar.bound == "not reached" for panel in panels for bar in panel.bars)
    return Chart(name, headings, ones, rows, unreached)


def _shape(panel: Panel, bar: Bar) -> Shape:
    text = tornado.written(bar)
    if math.isnan(bar.mean):
        return Shape(text=text)
    end, one = (WIDTH * tornado.inside(panel, value) for value in (bar.mean, 1.0))
    left, width = round(min(end, one), 1), round(abs(end - one), 1)
    whisker = None
    if not math.isnan(bar.low):
        low, high = (tornado.inside(panel, value) for value in (bar.low, bar.high))
        whisker = (round(WIDTH * low, 1), round(WIDTH * high, 1))
    return Shape("better" if bar.good else "worse", left, width, whisker, text)
