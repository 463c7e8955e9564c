"""Tornado charts: a bar per row from no difference to its ratio to the baseline, ranked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

from effbench.analysis import tornado
from effbench.analysis.identity import GROUP
from effbench.analysis.measures import MEASURES
from effbench.analysis.tornado import Bar, Panel
from effbench.records import results
from effbench.records.results import Results
from effbench.report.palette import title
from effbench.report.plots.labels import entry_label
from effbench.report.plots.style import lattice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BETTER, _WORSE, _GREY = "#0173b2", "#d55e00", "#555555"


def figures(found: Results, baseline: str | None) -> dict[str, Figure | None]:
    """Return the charts by name; none for results without enough rows of one factor."""
    name = results.baseline(found, baseline)
    compared = None if name is None else results.effects(found, name)
    if name is None or compared is None:
        return {}
    return {file: chart(compared, file, name) for file in tornado.CHARTS}


def chart(compared: pd.DataFrame, name: str, baseline: str) -> Figure | None:
    """Draw `comparison.claimed`: a line of panels per scene, a panel per measure of a chart of
    `tornado.CHARTS`, logarithmic; whiskers are 95 % intervals. ◂ not reached: at no time within the
    budget; ▸: a lower bound, the row had the PSNR at the first point of its curve."""
    groups = [group for _, group in compared.groupby([*GROUP])]
    lines = [(group, tornado.panels(group, tornado.CHARTS[name])) for group in groups]
    lines = [(group, panels) for group, panels in lines if panels]
    if not lines:
        return None
    most = max(len(panels[0].bars) for _, panels in lines)
    size = (3.2, max(0.27 * most + 1.0, 1.8))
    columns = max(len(panels) for _, panels in lines)
    figure, grid = lattice(len(lines), columns, panel=size, names=3.0)
    for (group, panels), line in zip(lines, grid, strict=True):
        for panel, axes in zip(panels, line, strict=False):
            _draw(axes, panel)
            axes.tick_params(labelleft=axes is line[0])
        for axes in line[len(panels) :]:
            axes.remove()
        line[0].set_title(f"{title(group, compared)}, against {baseline}")
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    """Draw a panel's bars from the top."""
    axes.set_xscale("log")
    for place, bar in enumerate(panel.bars):
        _draw_bar(axes, panel, place, bar)
    axes.axvline(1.0, color=_GREY, linewidth=0.9)
    axes.set_xlim(panel.low, panel.high)
    axes.set_xlabel(MEASURES[panel.measure].short)
    axes.xaxis.set_major_locator(_ticks(panel.low, panel.high))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.xaxis.set_minor_locator(NullLocator())
    names = [entry_label(*bar.entry, 48) for bar in panel.bars]
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _ticks(low: float, high: float) -> Locator:
    """Return where an axis has ticks: at round ratios, where it is long enough for two of these."""
    span = high / low
    if span >= 5:
        return LogLocator(subs=(1.0, 2.0, 5.0))
    if span >= 2.2:
        return LogLocator(subs=(1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0))
    return MaxNLocator(4, steps=[1, 2, 5, 10])


def _draw_bar(axes: Axes, panel: Panel, place: int, bar: Bar) -> None:
    if bar.bound == "not reached":
        axes.plot(panel.low, place, marker="<", color=_WORSE, clip_on=False, linestyle="")
        axes.annotate(
            bar.bound,
            (panel.low, place),
            xytext=(7, 0),
            textcoords="offset points",
            fontsize=7,
            color=_GREY,
            va="center",
        )
        return
    if math.isnan(bar.mean):
        return
    colour = _BETTER if bar.good else _WORSE
    axes.barh(place, bar.mean - 1, 0.62, 1.0, color=colour, alpha=0.85)
    if not math.isnan(bar.low):
        high = min(bar.high, 2 * panel.high)  # one without an end goes on beyond the edge
        low = max(bar.low, panel.low / 2)
        axes.plot([low, high], [place, place], "-|", color="#222222", linewidth=1.0)
    if bar.bound == ">":
        axes.plot(panel.high, place, marker=">", color=colour, clip_on=False, linestyle="")
