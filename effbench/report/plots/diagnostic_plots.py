"""Pictures of training from inside: mining, losses, distributions, memory, one ray.

They show what Korhonen et al. (2024) show of hard sample mining in their figures 2 and 3, for every
method that leaves the tables for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from effbench.records import diagnostics, results
from effbench.records.layout import TABLES
from effbench.records.results import Results
from effbench.report.palette import Entry, Palette
from effbench.report.plots.labels import Label, entry_label
from effbench.report.plots.style import PANEL, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 60  # along a run: a point is the mean over a sixtieth of its steps
_LINE: dict[str, Any] = {"linewidth": 1.4, "markersize": 4.0, "markeredgewidth": 0.0}
_FIGURES = {
    "inv_tau": "1 / τ̂",
    "drawn": "samples drawn, b / B",
    "distinct": "distinct samples drawn, of B",
    "skewness": "skewness of the gradients' sizes",
}
_QUANTITIES = {"pixel_loss": "pixel loss", "sample_weight": "weight of a sample"}
_PHASES = {  # marker, colour, name
    "warmup": ("^", "#999999", "training, warm-up"),
    "steady": ("o", "#0173b2", "training, steady"),
    "grid": ("D", "#029e73", "updates of the grid"),
    "render": ("s", "#de8f05", "rendering"),
}
_GRADIENT = "#cc3311"
_MOST_RAYS, _RAYS_PER_ROW, _RAY = 12, 3, (3.6, 2.4)  # panels; inches


def figures(found: Results, palette: Palette) -> dict[str, Figure | None]:
    """Return the pictures by name, None where there is nothing to draw."""
    steps = diagnostics.steps(found)
    spread = results.join(found, f"{TABLES}/distributions.csv")
    along = results.join(found, f"{TABLES}/ray.csv")
    return {
        "mining": mining(diagnostics.learner_figures(steps), palette),
        "loss": loss(steps, palette),
        "distributions": distributions(spread, palette),
        "memory": memory(diagnostics.phases(found.records), palette),
        "ray": rays(along),
    }


def mining(figures: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw `diagnostics.learner_figures` over training time, the skewness over iterations."""

    def draw(axes: Axes, group: pd.DataFrame, palette: Palette) -> list[Label]:
        name = str(group["figure"].iloc[0])
        skewness = name == "skewness"
        _draw_over(axes, group, "value", palette, "iteration" if skewness else _abscissa(group))
        axes.set_ylabel(_FIGURES[name])
        if not skewness:
            axes.set_ylim(0, 1.03)
        return []

    return panels(figures, draw, palette, by=["figure"], per_row=2)


def loss(steps: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw the loss of `diagnostics.steps` over iterations, smoothed."""

    def draw(axes: Axes, group: pd.DataFrame, palette: Palette) -> list[Label]:
        _draw_over(axes, group, "loss", palette, "iteration")
        axes.set_yscale("log")
        return []

    return panels(steps, draw, palette, ylabel="training loss")


def distributions(spread: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw the densities of pixel losses and sample weights half-way, the seeds' mean.

    Both axes are logarithmic, so the first bin, which begins at 0, is not shown.
    """

    def draw(axes: Axes, group: pd.DataFrame, palette: Palette) -> list[Label]:
        for (method, variant), own in group.groupby(["method", "variant"]):
            entry = (str(method), str(variant))
            density = own.groupby(["bin_left", "bin_right"])["density"].mean().reset_index()
            centre = np.sqrt(density["bin_left"] * density["bin_right"])
            shown = density["density"].where((density["density"] > 0) & (centre > 0))
            _plot(axes, centre, shown, palette, entry)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(_QUANTITIES[str(group["quantity"].iloc[0])])
        return []

    mid = diagnostics.mid_training(spread)
    return panels(mid, draw, palette, ylabel="density", by=["quantity"], per_row=2)


def memory(phases: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw the peak memory of each phase per method and variant, mean over seeds."""

    def draw(axes: Axes, group: pd.DataFrame, _: Palette) -> list[Label]:
        means = group.groupby(["method", "variant", "phase"])["mb"].mean().unstack("phase")
        for phase, (marker, colour, _name) in _PHASES.items():
            if phase in means:
                line = axes.plot(means[phase], range(len(means)), marker, color=colour)
                line[0].set_markersize(7)
        axes.set_yticks(range(len(means)), [entry_label(m, v, 48) for m, v in means.index])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel("peak memory (MB)")
        return []

    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=name)
        for marker, colour, name in _PHASES.values()
    ]
    shown = phases[phases["phase"].isin(_PHASES)]
    entries = len(shown.groupby(["method", "variant"]))
    size = (PANEL[0] + 2, 0.36 * entries + 0.9)  # room for names, and a line of text for each
    return panels(shown, draw, palette, per_row=1, handles=handles, panel=size)


def rays(along: pd.DataFrame) -> Figure | None:
    """Draw one ray half-way through training, a panel per method and variant of the first scene:
    each sample's weight in its colour, and its share of the sizes of all gradients."""
    mid = diagnostics.mid_training(along)
    if mid.empty:
        return None
    first = mid[mid["scene"] == mid["scene"].min()]
    groups = list(first.groupby(["method", "variant"]))[:_MOST_RAYS]
    columns = min(_RAYS_PER_ROW, len(groups))
    lines = math.ceil(len(groups) / columns)
    figure = Figure(figsize=(columns * _RAY[0], lines * _RAY[1] + 0.4))
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, ((method, variant), own) in zip(grid, groups, strict=False):
        seed = own[own["repetition"] == own["repetition"].min()]
        _draw_ray(axes, seed)
        axes.set_title(entry_label(str(method), str(variant), 44), fontsize=7.5)
    for axes in grid[len(groups) :]:
        axes.remove()
    for axes in grid[: len(groups)][-columns:]:  # with nothing below
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("distance along the ray (cube's sides)")
    figure.suptitle(f"{first['scene'].iloc[0]}, samples along one ray half-way through training")
    figure.supylabel("weight, share", fontsize=9)
    figure.legend(handles=_ray_legend(), loc="outside lower center", ncols=2)
    return figure


def _ray_legend() -> list[Line2D]:
    weight = Line2D([], [], linestyle="", marker="o", markerfacecolor="white", color="#555555")
    weight.set_label("weight, in the sample's colour")
    return [weight, Line2D([], [], color=_GRADIENT, label="share of the gradients' sizes")]


def _draw_ray(axes: Axes, own: pd.DataFrame) -> None:
    colours = own[["red", "green", "blue"]].clip(0, 1).to_numpy()
    axes.vlines(own["t"], 0, own["weight"], colors="#bbbbbb", linewidth=0.8)
    axes.scatter(own["t"], own["weight"], c=colours, s=16, edgecolors="#555555", linewidths=0.4)
    total = own["gradient_norm"].sum()
    if total > 0:
        axes.plot(own["t"], own["gradient_norm"] / total, color=_GRADIENT, linewidth=1.2)


def _abscissa(group: pd.DataFrame) -> str:
    return "iteration" if str(group["budget"].iloc[0]).endswith("it") else "train_s"


def _draw_over(axes: Axes, group: pd.DataFrame, y: str, palette: Palette, x: str) -> None:
    """Draw means over bins of x, and over seeds, of each method and variant."""
    axes.set_xlabel("training iterations" if x == "iteration" else "training time (s)")
    for (method, variant), own in group.groupby(["method", "variant"]):
        bins = np.minimum((own[x] / own[x].max() * _BINS).astype(int), _BINS - 1)
        means = own.groupby(bins)[[x, y]].mean()
        _plot(axes, means[x], means[y], palette, (str(method), str(variant)))
    axes.set_xlim(left=0)


def _plot(axes: Axes, x: Any, y: Any, palette: Palette, entry: Entry) -> None:
    """Draw a line with a few markers, which tell variants apart without their colours."""
    every = (0.03, 0.12)  # of the axes' diagonal
    axes.plot(
        x, y, color=palette.colour[entry], marker=palette.marker[entry], markevery=every, **_LINE
    )
