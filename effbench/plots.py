"""Pictures from records alone: PSNR over time, size against PSNR, renders beside ground truth.

A method has one colour in every picture (shades of it for its variants) and a variant one marker;
colours are seaborn's colour-blind-safe palette. Figures are made without pyplot, so that nothing
global changes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from effbench import files, record, strip, tables
from effbench.labels import Label, entry_label, place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "os^DvPX<>phd*"
_PANELS_PER_ROW = 3
_PANEL = (4.3, 3.5)  # inches
_LEGEND_WIDTH = 2.6  # inches
_CURVE: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.0, "markeredgewidth": 0.0}
_POINT: dict[str, Any] = {
    "linestyle": "",
    "markersize": 7.0,
    "markeredgecolor": "white",
    "markeredgewidth": 0.6,
    "capsize": 2.5,
    "elinewidth": 1.0,
}
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "savefig.dpi": 160,
    "figure.constrained_layout.use": True,
}

Entry = tuple[str, str]  # method and variant
_Line = Literal["-", ""]
Colour = tuple[float, float, float]
Draw = Callable[["Axes", pd.DataFrame, "Looks"], list[Label]]


class Looks:
    """Colour and marker of each (method, variant), the same in every picture of a run."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        entries = sorted(set(entries))
        methods = sorted({method for method, _ in entries})
        variants = sorted({variant for _, variant in entries})
        palette = sns.color_palette("colorblind", max(len(methods), 1))
        self.colour: dict[Entry, Colour] = {}
        for method, base in zip(methods, palette, strict=False):
            own = [entry for entry in entries if entry[0] == method]
            self.colour |= zip(own, _shades(base, len(own)), strict=True)
        self.marker = {e: _MARKERS[variants.index(e[1]) % len(_MARKERS)] for e in entries}


def write_plots(out_dir: str | Path) -> list[Path]:
    """Write what the records below `out_dir` allow of plots/{psnr-over-time,size-against-psnr,
    renders}.png and return the paths.

    Records that cannot be read are left out. Raises RecordError when `out_dir` does not exist,
    EffbenchError when it cannot be written.
    """
    out = Path(out_dir)
    records = tables.latest(record.load([out], errors="skip"))
    looks = Looks((r.method, r.variant) for r in records)
    with mpl.rc_context(_STYLE):
        figures = {
            "psnr-over-time.png": psnr_over_time(tables.curves(out, records), looks),
            "size-against-psnr.png": size_against_psnr(tables.leaderboard(records), looks),
            "renders.png": strip.renders(out, records),
        }
        written = []
        for name, figure in figures.items():
            if figure is not None:
                written.append(_save(out / "plots" / name, figure))
    return written


def psnr_over_time(curves: pd.DataFrame, looks: Looks) -> Figure | None:
    """Draw `tables.curves`: a panel per scene, the seeds' mean with a ± one deviation band.

    The x axis is counted training time, or iterations for scenes whose budgets are iterations.
    """
    return _panels(curves.dropna(subset=["psnr"]), _draw_curves, looks, line="-")


def size_against_psnr(leaderboard: pd.DataFrame, looks: Looks) -> Figure | None:
    """Draw `tables.leaderboard`: a panel per scene, shipped file in MB (log) against PSNR."""
    done = leaderboard.dropna(subset=["psnr", "model_mb"])
    return _panels(done, _draw_sizes, looks, line="")


def _panels(frame: pd.DataFrame, draw: Draw, looks: Looks, line: _Line) -> Figure | None:
    """Return a figure with one panel per scene, budget and device, and one legend beside them."""
    if frame.empty:
        return None
    about = ["suite", "scene", "budget", "device"]
    telling = [name for name in about if name == "scene" or frame[name].nunique() > 1]
    groups = [group for _, group in frame.groupby(about, sort=True)]
    columns = min(_PANELS_PER_ROW, len(groups))
    rows = math.ceil(len(groups) / columns)
    handles = _legend(frame, looks, line)
    size = (columns * _PANEL[0] + _LEGEND_WIDTH, max(rows * _PANEL[1], 0.3 * len(handles) + 0.6))
    figure = Figure(figsize=size)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    labels = []
    for axes, group in zip(grid, groups, strict=False):
        axes.set_title(", ".join(str(group[name].iloc[0]) for name in telling))
        axes.set_ylabel("PSNR (dB)")
        labels.append((axes, draw(axes, group, looks)))
    for axes in grid[len(groups) :]:
        axes.remove()
    figure.legend(handles=handles, loc="outside right upper")
    place_labels(figure, labels)
    return figure


def _legend(frame: pd.DataFrame, looks: Looks, line: _Line) -> list[Line2D]:
    """Return a handle per method and variant: the method with the best PSNR first, its variants
    together, the best one first."""
    best = frame.groupby(["method", "variant"])["psnr"].max().reset_index()
    best["method_psnr"] = best.groupby("method")["psnr"].transform("max")
    best = best.sort_values(["method_psnr", "method", "psnr"], ascending=[False, True, False])
    return [
        Line2D(
            [],
            [],
            linestyle=line,
            marker=looks.marker[method, variant],
            color=looks.colour[method, variant],
            label=entry_label(method, variant, 36),
        )
        for method, variant in zip(best["method"], best["variant"], strict=True)
    ]


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


def _shades(base: Colour, count: int) -> list[Colour]:
    """Return `count` shades of a colour from dark to light; the colour itself for one."""
    if count == 1:
        return [base]
    dark = tuple(0.6 * c for c in base)
    light = tuple(0.45 * c + 0.55 for c in base)
    return list(sns.blend_palette([dark, base, light], count))


def _save(path: Path, figure: Figure) -> Path:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    files.write_bytes(path, buffer.getvalue())
    return path
