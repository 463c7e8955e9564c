"""Pictures from records alone: PSNR over time, size against PSNR, renders beside ground truth, and
the diagnostics of `effbench.diagnostic_plots`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from effbench import diagnostic_plots, record, strip, tables
from effbench.labels import Label
from effbench.panels import STYLE, Looks, panels, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVE: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.0, "markeredgewidth": 0.0}
_POINT: dict[str, Any] = {
    "linestyle": "",
    "markersize": 7.0,
    "markeredgecolor": "white",
    "markeredgewidth": 0.6,
    "capsize": 2.5,
    "elinewidth": 1.0,
}


def write_plots(out_dir: str | Path) -> list[Path]:
    """Write what the records below `out_dir` allow of plots/{psnr-over-time,size-against-psnr,
    renders}.png and of the diagnostics, and return the paths.

    Records that cannot be read are left out. Raises RecordError when `out_dir` does not exist,
    EffbenchError when it cannot be written.
    """
    out = Path(out_dir)
    records = tables.latest(record.load([out], errors="skip"))
    looks = Looks((r.method, r.variant) for r in records)
    with mpl.rc_context(STYLE):
        figures = {
            "psnr-over-time.png": psnr_over_time(tables.curves(out, records), looks),
            "size-against-psnr.png": size_against_psnr(tables.leaderboard(records), looks),
            "renders.png": strip.renders(out, records),
            **diagnostic_plots.figures(out, records, looks),
        }
        written = []
        for name, figure in figures.items():
            if figure is not None:
                written.append(save(out / "plots" / name, figure))
    return written


def psnr_over_time(curves: pd.DataFrame, looks: Looks) -> Figure | None:
    """Draw `tables.curves`: a panel per scene, the seeds' mean with a ± one deviation band.

    The x axis is counted training time, or iterations for scenes whose budgets are iterations.
    """
    return panels(curves.dropna(subset=["psnr"]), _draw_curves, looks, ylabel="PSNR (dB)")


def size_against_psnr(leaderboard: pd.DataFrame, looks: Looks) -> Figure | None:
    """Draw `tables.leaderboard`: a panel per scene, shipped file in MB (log) against PSNR."""
    done = leaderboard.dropna(subset=["psnr", "model_mb"])
    return panels(done, _draw_sizes, looks, line="", ylabel="PSNR (dB)")


def _draw_curves(axes: Axes, curves: pd.DataFrame, looks: Looks) -> list[Label]:
    counted = str(curves["budget"].iloc[0]).endswith("it")
    x = "iteration" if counted else "train_s"
    axes.set_xlabel("training iterations" if counted else "training time (s)")
    for (method, variant), own in curves.groupby(["method", "variant"]):
        # Seeds pass a fraction of the budget at slightly different times: average those as well.
        points = own.groupby("fraction").agg(
            x=(x, "mean"), mean=("psnr", "mean"), std=("psnr", "std")
        )
        entry = (str(method), str(variant))
        colour, marker = looks.colour[entry], looks.marker[entry]
        axes.plot(points["x"], points["mean"], color=colour, marker=marker, **_CURVE)
        low, high = points["mean"] - points["std"], points["mean"] + points["std"]
        axes.fill_between(points["x"], low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_xlim(left=0)
    return []


def _draw_sizes(axes: Axes, rows: pd.DataFrame, looks: Looks) -> list[Label]:
    axes.set_xscale("log")
    axes.set_xlabel("shipped model (MB)")
    for method, variant, x, y, std in rows[
        ["method", "variant", "model_mb", "psnr", "psnr_std"]
    ].itertuples(index=False):
        axes.errorbar(
            x,
            y,
            yerr=None if pd.isna(std) else std,
            color=looks.colour[method, variant],
            marker=looks.marker[method, variant],
            **_POINT,
        )
    sizes = rows["model_mb"]
    axes.set_xlim(sizes.min() / 3, sizes.max() * 3)  # room for labels, and for a tick or two
    axes.margins(y=0.15)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    names = [_short(*entry) for entry in zip(rows["method"], rows["variant"], strict=True)]
    return list(zip(sizes, rows["psnr"], names, strict=True))


def _short(method: str, variant: str) -> str:
    """Return the label of a point: the variant's values; the legend has their names."""
    return " ".join(re.findall(r"=([^,;\s]+)", variant)) or variant or method
