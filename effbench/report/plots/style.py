"""What pictures share: panels per scene, legends, files.

Figures are made without pyplot, so that nothing global changes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from effbench import files
from effbench.analysis.identity import GROUP
from effbench.report.palette import Palette, title
from effbench.report.plots.labels import Label, entry_label, place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = (4.3, 3.5)  # inches
_LEGEND_WIDTH = 2.6  # inches
STYLE: dict[Any, Any] = {
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
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "effbench",  # the same names inside every time
    "figure.constrained_layout.use": True,
}

Line = Literal["-", ""]
Draw = Callable[["Axes", pd.DataFrame, "Palette"], list[Label]]


def panels(
    frame: pd.DataFrame,
    draw: Draw,
    palette: Palette,
    *,
    line: Line = "-",
    ylabel: str = "",
    by: Sequence[str] = (),
    per_row: int = 3,
    handles: Sequence[Line2D] = (),
    panel: tuple[float, float] = PANEL,
) -> Figure | None:
    """Return a figure with one panel per scene, budget, device and whatever else `by` names, and
    one legend beside them; None for no rows.

    draw: fills a panel and returns labels of points; handles: the legend's, in the place of those
    of methods and variants; panel: its width and height in inches.
    """
    if frame.empty:
        return None
    groups = [group for _, group in frame.groupby([*GROUP, *by], sort=True, observed=True)]
    columns = min(per_row, len(groups))
    rows = math.ceil(len(groups) / columns)
    handles = handles or legend(frame, palette, line)
    size = (columns * panel[0] + _LEGEND_WIDTH, max(rows * panel[1], 0.3 * len(handles) + 0.6))
    figure = Figure(figsize=size)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    labels = []
    for axes, group in zip(grid, groups, strict=False):
        axes.set_title(title(group, frame))
        axes.set_ylabel(ylabel)
        labels.append((axes, draw(axes, group, palette)))
    for axes in grid[len(groups) :]:
        axes.remove()
    figure.legend(handles=handles, loc="outside right upper")
    place_labels(figure, labels)
    return figure


def legend(frame: pd.DataFrame, palette: Palette, line: Line) -> list[Line2D]:
    """Return a handle per method and variant: by name, or, where there is a PSNR, the method with
    the best one first, its variants together, the best one first."""
    entries = frame[["method", "variant"]].assign(psnr=frame.get("psnr", 0.0))
    best = entries.groupby(["method", "variant"])["psnr"].max().reset_index()
    best["method_psnr"] = best.groupby("method")["psnr"].transform("max")
    best = best.sort_values(["method_psnr", "method", "psnr"], ascending=[False, True, False])
    return [
        Line2D(
            [],
            [],
            linestyle=line,
            marker=palette.marker[method, variant],
            color=palette.colour[method, variant],
            label=entry_label(method, variant, 36),
        )
        for method, variant in zip(best["method"], best["variant"], strict=True)
    ]


def lattice(
    rows: int,
    columns: int,
    handles: Sequence[Line2D] = (),
    *,
    panel: tuple[float, float] = PANEL,
    names: float = 0.0,
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of `rows` by `columns` panels, and the panels by row; `handles`, if any, are
    the legend's, on the right.

    panel: width and height in inches; names: inches more on the left, for names of rows.
    """
    beside = _LEGEND_WIDTH if handles else 0.0
    height = max(rows * panel[1], 0.3 * len(handles) + 0.6 if handles else 0.0)
    figure = Figure(figsize=(names + columns * panel[0] + beside, height))
    grid = figure.subplots(rows, columns, squeeze=False)
    if handles:
        figure.legend(handles=list(handles), loc="outside right upper")
    return figure, [list(line) for line in grid]


def save(path: Path, figure: Figure) -> Path:
    """Write a figure in the format that the path's suffix names, atomically.

    The same figure gives the same bytes: no dates are written into it.
    """
    form = path.suffix.lstrip(".")
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata=dates.get(form))
    files.write_bytes(path, buffer.getvalue())
    return path
