"""All pictures of a run, from its records alone: `effbench plot`, and the end of `effbench run`."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from effbench.errors import RecordError
from effbench.method.budget import Budget
from effbench.records import results
from effbench.records.results import Results
from effbench.report.palette import Palette
from effbench.report.plots import (
    comparison_plots,
    cost_plots,
    diagnostic_plots,
    moment_plots,
    profile_plots,
    renders,
    tornado_plots,
)
from effbench.report.plots.labels import Label
from effbench.report.plots.style import STYLE, panels, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Format = Literal["png", "pdf", "svg"]
FORMATS: tuple[Format, ...] = ("png", "pdf")

_CURVE: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.0, "markeredgewidth": 0.0}
_MARKS_S = (120.0, 300.0, 480.0)  # 2, 5 and 8 minutes: the times that papers report
_MARK: dict[str, Any] = {
    "color": "#555555",
    "linewidth": 0.9,
    "linestyle": (0, (4, 3)),
    "zorder": 1,
}


def write_plots(
    out_dir: str | Path,
    *,
    to: Path | None = None,
    formats: Sequence[Format] = FORMATS,
    baseline: str | None = None,
    bench: Path | None = None,
    skipped: list[RecordError] | None = None,
    only: Container[str] | None = None,
) -> list[Path]:
    """Write what the records below `out_dir` allow of the pictures of docs/report.md into `to`, by
    default `out_dir`/plots; return their paths.

    baseline: "method" or "method variant" that ratios are against, by default what
    `results.baseline` chooses; bench: a bench.json for a picture of an iteration's parts; only:
    names of the pictures to write, by default all. Records and curves that cannot be read are left
    out, their errors appended to `skipped`. Raises RecordError when `out_dir` does not exist or
    `bench` cannot be read, ConfigError for a baseline that is not there, EffbenchError when the
    folder cannot be written.
    """
    out = Path(out_dir)
    found = results.of_rows(results.load([out]))
    folder = to or out / "plots"
    written = []
    with mpl.rc_context(STYLE):
        for name, figure in figures(found, baseline, bench):
            if only is None or name in only:
                written += [save(folder / f"{name}.{form}", figure) for form in formats]
    if skipped is not None:
        skipped += found.problems
    return written


def figures(
    found: Results, baseline: str | None = None, bench: Path | None = None
) -> Iterator[tuple[str, Figure]]:
    """Yield every picture that there is something to draw in, by its file's name without suffix."""
    palette = Palette((r.method, r.variant) for r in found.records)
    board = results.leaderboard(
        found.folders, found.cells.items(), baseline, problems=found.problems
    )
    curves = results.curves(found)
    drawn: dict[str, Figure | None] = {
        "psnr-over-time": psnr_over_time(curves, palette),
        "psnr-over-total-time": psnr_over_total_time(curves, palette),
        **comparison_plots.figures(found, board, palette, baseline),
        **tornado_plots.figures(found, baseline),
        **cost_plots.figures(found, palette, bench),
        **diagnostic_plots.figures(found, palette),
        **profile_plots.figures(found),
        **moment_plots.figures(found, palette),
        "renders": renders.renders(found),
    }
    yield from ((name, figure) for name, figure in drawn.items() if figure is not None)


def psnr_over_time(curves: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw `results.curves`: a panel per scene, the seeds' mean with a ± one deviation band.

    The x axis is counted training time, or iterations for scenes whose budgets are iterations.
    Dashed lines mark the budget, and 2, 5 and 8 minutes where they are within it.
    """
    return panels(_trained(curves), _draw_curves, palette, ylabel="PSNR (dB)")


def psnr_over_total_time(curves: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw the same over total time: a row that starts from a parent begins where that ended.

    None where nothing was prepared before training: it would be the same picture again.
    """
    drawn = _trained(curves)
    if (drawn["total_s"] <= drawn["train_s"]).all():
        return None
    return panels(drawn, _draw_total, palette, ylabel="PSNR (dB)")


def _trained(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the points after the first step: a conversion has no curve."""
    return curves[curves["iteration"] > 0].dropna(subset=["psnr"])


def _draw_curves(axes: Axes, curves: pd.DataFrame, palette: Palette) -> list[Label]:
    budget = Budget.parse(str(curves["budget"].iloc[0]))
    x = "iteration" if budget.seconds is None else "train_s"
    axes.set_xlabel("training iterations" if budget.seconds is None else "training time (s)")
    _draw_lines(axes, curves, x, palette)
    _mark(axes, budget)
    return []


def _draw_total(axes: Axes, curves: pd.DataFrame, palette: Palette) -> list[Label]:
    axes.set_xlabel("total time with parents and teachers (s)")
    _draw_lines(axes, curves, "total_s", palette)
    return []


def _draw_lines(axes: Axes, curves: pd.DataFrame, x: str, palette: Palette) -> None:
    for (method, variant), own in curves.groupby(["method", "variant"]):
        # Seeds pass a fraction of the budget at slightly different times: average those as well.
        points = own.groupby("fraction").agg(
            x=(x, "mean"), mean=("psnr", "mean"), std=("psnr", "std")
        )
        entry = (str(method), str(variant))
        colour, marker = palette.colour[entry], palette.marker[entry]
        axes.plot(points["x"], points["mean"], color=colour, marker=marker, **_CURVE)
        low, high = points["mean"] - points["std"], points["mean"] + points["std"]
        axes.fill_between(points["x"], low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_xlim(left=0)


def _mark(axes: Axes, budget: Budget) -> None:
    """Mark the budget, and the times that papers report within it."""
    end = float(budget.seconds or budget.iterations or 0)
    minutes = [mark for mark in _MARKS_S if budget.seconds and mark < end]
    names = {mark: f"{mark / 60:g} min" for mark in minutes} | {end: str(budget)}
    for place, name in names.items():
        axes.axvline(place, **_MARK)
        axes.annotate(
            name,
            (place, 0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-3, 4),
            textcoords="offset points",
            fontsize=7,
            color="#555555",
            ha="right",
            rotation=90,
        )
