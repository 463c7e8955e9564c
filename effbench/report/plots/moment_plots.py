"""Pictures of scenes that move: quality by the time of what is shown, and a strip of moments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from effbench.records.layout import RENDERS
from effbench.records.moments import moments
from effbench.records.record import Record
from effbench.records.results import Results, SceneRenders
from effbench.records.results import renders as find_renders
from effbench.report import error_maps
from effbench.report.palette import Palette
from effbench.report.plots.labels import Label, entry_label
from effbench.report.plots.style import panels

_MOST_TIMES, _MOST_ROWS = 6, 11
_TILE, _NAMES, _TITLE = 1.3, 1.7, 0.45  # inches


def figures(found: Results, palette: Palette) -> dict[str, Figure | None]:
    """Return the pictures by name, None where nothing moves."""
    shown = moments(found.records)
    return {
        "psnr-by-moment": panels(shown, _draw_moments, palette, ylabel="PSNR (dB)"),
        "moments": strips([] if shown.empty else find_renders(found)),
    }


def _draw_moments(axes: Axes, shown: pd.DataFrame, palette: Palette) -> list[Label]:
    """Draw the mean over repetitions of each row's test views by their times."""
    axes.set_xlabel("time of the view")
    for (method, variant), group in shown.groupby(["method", "variant"], sort=False):
        entry = (str(method), str(variant))
        by_time = group.groupby("time")["psnr"].mean()
        look: dict[str, Any] = {"color": palette.colour[entry], "marker": palette.marker[entry]}
        axes.plot(by_time.index, by_time, linewidth=1.5, markersize=4.0, **look)
    return []


def strips(scenes: list[SceneRenders]) -> Figure | None:
    """Draw some moments of each scene that moves: ground truth above, then the rows, best first."""
    moving = [(found, times) for found in scenes if len(times := _times(found)) > 1]
    if not moving:
        return None
    rows = [1 + min(len(found.cells), _MOST_ROWS) for found, _ in moving]
    columns = max(min(len(times), _MOST_TIMES) for _, times in moving)
    width = _NAMES + columns * _TILE
    height = sum(count * _TILE + _TITLE for count in rows)
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    top = height
    for (found, times), count in zip(moving, rows, strict=True):
        _draw_strip(figure, found, times, top)
        top -= count * _TILE + _TITLE
    return figure


def _times(found: SceneRenders) -> dict[str, float]:
    """Return the times of a scene's views by file name, ascending; none where it stands still."""
    known = {
        Path(entry["name"]).stem: entry["time"]
        for cell in found.cells.values()  # one that ignores time knows none
        for entry in cell.quality.get("per_view") or ()
        if entry.get("time") is not None
    }
    times = {view: known[Path(view).stem] for view in found.views if Path(view).stem in known}
    return dict(sorted(times.items(), key=lambda item: item[1]))


def _draw_strip(figure: Figure, found: SceneRenders, times: dict[str, float], top: float) -> None:
    """Draw one scene's moments; `top` in inches."""
    width, height = figure.get_size_inches()
    views = list(times)
    chosen = [views[round(i * (len(views) - 1) / (_MOST_TIMES - 1))] for i in range(_MOST_TIMES)]
    chosen = list(dict.fromkeys(chosen))
    ranked = sorted(found.cells.items(), key=lambda item: -_mean(item[1]))[:_MOST_ROWS]
    lines = [("ground truth", found.truth), *((_name(c), f / RENDERS) for f, c in ranked)]
    figure.text(0.05 / width, (top - 0.05) / height, found.label, va="top", weight="bold")
    for line, (name, folder) in enumerate(lines):
        low = top - _TITLE - (line + 1) * _TILE
        middle = (low + _TILE / 2) / height
        figure.text((_NAMES - 0.1) / width, middle, name, ha="right", va="center", fontsize=7)
        for column, view in enumerate(chosen):
            left = _NAMES + column * _TILE
            size = (0.97 * _TILE / width, 0.97 * _TILE / height)
            axes = figure.add_axes((left / width, low / height, *size))
            axes.imshow(error_maps.read(folder / view))
            axes.set_axis_off()
            if line == 0:
                axes.set_title(f"t = {times[view]:.2f}", fontsize=7.5, pad=3)


def _mean(cell: Record) -> float:
    return float(cell.quality.get("psnr") or 0.0)


def _name(cell: Record) -> str:
    return f"{entry_label(cell.method, cell.variant, 26)}\n{_mean(cell):.2f} dB"
