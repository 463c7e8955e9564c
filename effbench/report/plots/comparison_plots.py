"""Pictures that compare rows: Pareto fronts, ratios to a baseline, sweeps of a parameter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from effbench.analysis import comparison
from effbench.analysis.figures import axis_label
from effbench.analysis.identity import GROUP
from effbench.analysis.measures import MEASURES, SHOWN
from effbench.analysis.pareto import pareto as on_front
from effbench.analysis.sweeps import Sweep, sweeps
from effbench.records import results, tables
from effbench.records.results import Results
from effbench.report.palette import Entry, Palette, title
from effbench.report.plots.labels import Label, entry_label
from effbench.report.plots.style import lattice, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COSTS = {  # file name to the figure against which PSNR is drawn
    "pareto-size": "model_mb",
    "pareto-total-time": "total_train_s",
    "pareto-iteration-time": "iter_ms",
    "pareto-memory": "peak_mem_mb",
    "pareto-rendering-time": "render_ms",
    "pareto-latency": "latency_ms",
}
SWEPT = ("psnr", "model_mb", "iter_ms", "render_ms", "latency_ms")
_POINT: dict[str, Any] = {
    "linestyle": "",
    "markersize": 7.0,
    "markeredgecolor": "white",
    "markeredgewidth": 0.6,
    "capsize": 2.5,
    "elinewidth": 1.0,
}
_FRONT: dict[str, Any] = {
    "color": "#c4c4c4",
    "linewidth": 1.3,
    "zorder": 1,
    "drawstyle": "steps-post",
}
_GREY = "#555555"


def figures(
    found: Results, board: pd.DataFrame, palette: Palette, baseline: str | None
) -> dict[str, Figure | None]:
    """Return the pictures by name, None where there is nothing to draw."""
    rows = board[board["role"] == "row"]
    name = results.baseline(found, baseline)
    drawn = {file: pareto(rows, palette, cost) for file, cost in COSTS.items()}
    if name is not None:
        paired = comparison.paired(tables.cells(found.records), name)
        drawn["ratios"] = ratios(paired, palette, name)
    for swept in sweeps(rows):
        drawn[f"sweep-{_slug(swept.method)}-{_slug(swept.parameter)}"] = sweep(swept, palette)
    return drawn


def pareto(board: pd.DataFrame, palette: Palette, cost: str) -> Figure | None:
    """Draw `tables.leaderboard`: a panel per scene, `cost` (log) against PSNR; the grey staircase
    is the front: nothing above it was measured at that cost or less."""

    def draw(axes: Axes, rows: pd.DataFrame, palette: Palette) -> list[Label]:
        front = rows[on_front(rows, cost)].sort_values(cost)
        axes.plot([*front[cost], rows[cost].max() * 3], _extended(front["psnr"]), **_FRONT)
        return _draw_points(axes, rows, palette, cost)

    done = board.dropna(subset=["psnr", cost])
    return panels(done[done[cost] > 0], draw, palette, line="", ylabel="PSNR (dB)")


def ratios(paired: pd.DataFrame, palette: Palette, baseline: str) -> Figure | None:
    """Draw `comparison.paired`: a line of panels per scene, one per measure, a bar per row with the
    95 % interval over pairs of seeds."""
    done = paired[(paired["n"] > 0) & paired["measure"].isin(SHOWN)]
    done = done.dropna(subset=["mean"])
    measures = [name for name in SHOWN if name in set(done["measure"])]
    if not measures:
        return None
    groups = [group for _, group in done.groupby([*GROUP])]
    most = max(group.groupby(["method", "variant"]).ngroups for group in groups)
    size = (2.1, 0.32 * most + 1.0)
    figure, grid = lattice(len(groups), len(measures), panel=size, names=2.6)
    for group, line in zip(groups, grid, strict=True):
        entries = _ranked(group)
        for measure, axes in zip(measures, line, strict=True):
            _draw_bars(axes, group[group["measure"] == measure], entries, palette)
            axes.set_xlabel(MEASURES[measure].short)
            axes.tick_params(labelleft=axes is line[0])
        line[0].set_title(f"{title(group, done)}, against {baseline}")
    return figure


def sweep(swept: Sweep, palette: Palette) -> Figure | None:
    """Draw what a numeric parameter does: a line of panels per scene, one per figure; a line per
    setting of the other parameters, ± one deviation over seeds for the PSNR."""
    measured = [name for name in SWEPT if swept.rows[name].notna().any()]
    colours = palette.series(swept.settings)
    handles = [
        Line2D([], [], color=colour, marker=marker, label=entry_label("", setting or "default", 36))
        for setting, (colour, marker) in colours.items()
    ]
    groups = [group for _, group in swept.rows.groupby([*GROUP])]
    if not measured or not groups:
        return None
    figure, grid = lattice(len(groups), len(measured), handles, panel=(2.7, 2.6))
    for group, line in zip(groups, grid, strict=True):
        for name, axes in zip(measured, line, strict=True):
            for setting, own in group.groupby("setting"):
                colour, marker = colours[str(setting)]
                own = own.sort_values("value")
                error = own["psnr_std"] if name == "psnr" else None
                axes.errorbar(
                    own["value"], own[name], error, color=colour, marker=marker, capsize=2
                )
            axes.set_xlabel(swept.parameter)
            axes.set_ylabel(axis_label(name))
            axes.set_xticks(sorted(set(group["value"])))
        line[0].set_title(f"{swept.method}, {title(group, swept.rows)}")
    return figure


def _draw_points(axes: Axes, rows: pd.DataFrame, palette: Palette, cost: str) -> list[Label]:
    axes.set_xscale("log")
    axes.set_xlabel(axis_label(cost))
    for method, variant, x, y, std in rows[
        ["method", "variant", cost, "psnr", "psnr_std"]
    ].itertuples(index=False):
        axes.errorbar(
            x,
            y,
            yerr=None if pd.isna(std) else std,
            color=palette.colour[method, variant],
            marker=palette.marker[method, variant],
            **_POINT,
        )
    costs = rows[cost]
    axes.set_xlim(costs.min() / 3, costs.max() * 3)  # room for labels, and for a tick or two
    axes.margins(y=0.15)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    names = [_short(*entry) for entry in zip(rows["method"], rows["variant"], strict=True)]
    return list(zip(costs, rows["psnr"], names, strict=True))


def _draw_bars(axes: Axes, rows: pd.DataFrame, entries: list[Entry], palette: Palette) -> None:
    """Draw bars from "no difference" to the mean, in the entries' order from the top."""
    measure = str(rows["measure"].iloc[0]) if len(rows) else ""
    neutral = MEASURES[measure].neutral if measure else 1.0
    for method, variant, mean, low, high in rows[
        ["method", "variant", "mean", "low", "high"]
    ].itertuples(index=False):
        place, colour = entries.index((method, variant)), palette.colour[method, variant]
        axes.barh(place, mean - neutral, 0.62, neutral, color=colour, alpha=0.85)
        if not np.isnan(low):
            axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], color="#222222",
                          linewidth=1.0, capsize=2.0)  # fmt: skip
    axes.axvline(neutral, color=_GREY, linewidth=0.9)
    axes.set_yticks(range(len(entries)), [entry_label(m, v, 44) for m, v in entries], fontsize=7)
    axes.set_ylim(len(entries) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _ranked(group: pd.DataFrame) -> list[Entry]:
    """Return the entries of a group, the largest gain in PSNR first."""
    gains = group[group["measure"] == "psnr_gain"].groupby(["method", "variant"])["mean"].max()
    entries = set(zip(group["method"], group["variant"], strict=True))
    return sorted(entries, key=lambda entry: (-float(gains.get(entry, -np.inf)), entry))


def _extended(values: pd.Series[float]) -> list[float]:
    """Return the values of a staircase with its last step repeated."""
    return [*values, values.iloc[-1]]


def _short(method: str, variant: str) -> str:
    """Return the label of a point: the variant's values; the legend has their names."""
    return " ".join(re.findall(r"=([^,;\s]+)", variant)) or variant or method


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
