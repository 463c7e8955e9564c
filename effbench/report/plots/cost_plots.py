"""Pictures of where time went: a cell's, an iteration's, and an iteration's parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from effbench.analysis.identity import GROUP
from effbench.errors import RecordError
from effbench.records import record
from effbench.records.results import Results
from effbench.report.palette import Entry, Palette, title
from effbench.report.plots.labels import entry_label
from effbench.report.plots.style import lattice

_PARTS = {  # of a cell's time: column, colour, name
    "prepare_s": ("#949494", "preparing (parents, teachers)"),
    "setup_s": ("#de8f05", "setting up"),
    "train_s": ("#0173b2", "training"),
    "eval_s": ("#029e73", "evaluating"),
    "rest_s": ("#d9d9d9", "the rest (curve, saving)"),
}


def figures(found: Results, palette: Palette, bench: Path | None) -> dict[str, Figure | None]:
    """Return the pictures by name, None where there is nothing to draw."""
    spent = times(found)
    return {
        "time-per-cell": time_per_cell(spent),
        "iteration-time": iteration_time(spent, palette),
        "iteration-parts": iteration_parts(parts(bench)) if bench else None,
    }


def times(found: Results) -> pd.DataFrame:
    """Return a row per finished cell: GROUP, method, variant, the parts of its time in s, and
    iter_ms, iter_ms_p95. rest_s: what is in total_s but in none of the others, which leaves out
    prepare_s, spent in the parents' cells."""
    rows: list[dict[str, Any]] = []
    for cell in found.records:
        if cell.status != "ok":
            continue
        known: dict[str, Any] = {name: getattr(cell, name) for name in GROUP}
        spent = {name: cell.time.get(name) or 0.0 for name in _PARTS}
        inside = spent["setup_s"] + spent["train_s"] + spent["eval_s"]
        spent["rest_s"] = max((cell.time.get("total_s") or 0.0) - inside, 0.0)
        steps = {name: cell.time.get(name) for name in ("iter_ms", "iter_ms_p95")}
        known |= {"scene": record.scene_label(cell), "method": cell.method}
        rows.append({**known, "variant": cell.variant, **spent, **steps})
    columns = [*GROUP, "method", "variant", *_PARTS, "iter_ms", "iter_ms_p95"]
    return pd.DataFrame(rows, columns=columns).astype({"iter_ms": float, "iter_ms_p95": float})


def time_per_cell(spent: pd.DataFrame) -> Figure | None:
    """Draw `times`, mean over seeds: a panel per scene, a bar per row, its parts end to end."""
    if not (spent[list(_PARTS)] > 0).any(axis=None):
        return None
    figure, panels = _bar_panels(spent)
    for group, axes in panels:
        means = _means(group)
        left = pd.Series(0.0, index=means.index)
        for name, (colour, _) in _PARTS.items():
            axes.barh(range(len(means)), means[name], 0.66, left, color=colour)
            left += means[name]
        _name_rows(axes, list(means.index))
        axes.set_xlabel("time per cell (s)")
    handles = [Patch(color=colour, label=name) for colour, name in _PARTS.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def iteration_time(spent: pd.DataFrame, palette: Palette) -> Figure | None:
    """Draw the median of iteration times, mean over seeds, with a line to the 95th percentile."""
    done = spent.dropna(subset=["iter_ms"])
    if done.empty:
        return None
    figure, panels = _bar_panels(done)
    for group, axes in panels:
        means = _means(group)
        for place, (entry, row) in enumerate(means.iterrows()):
            colour = palette.colour[_entry(entry)]
            axes.barh(place, row["iter_ms"], 0.66, color=colour, alpha=0.85)
            axes.plot([row["iter_ms"], row["iter_ms_p95"]], [place] * 2, "-|", color="#222222")
        _name_rows(axes, list(means.index))
        axes.set_xlim(left=0)
        axes.set_xlabel("ms per iteration: median, line to the 95th percentile")
    return figure


def parts(bench: Path) -> pd.Series[float]:
    """Return the parts of an iteration in ms that `python -m bench` measured, largest first.

    Raises RecordError for a file that cannot be read or has no iteration.
    """
    try:
        measured = json.loads(bench.read_text(encoding="utf-8"))["iteration"]
        found = pd.Series({str(name): float(ms) for name, ms in measured.items()})
    except OSError as error:
        raise RecordError(f"{bench}: cannot be read ({error.strerror}): check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{bench}: has no iteration's parts ({error!r}): make it with `make bench`"
        ) from error
    return found.drop("total", errors="ignore").sort_values(ascending=False)


def iteration_parts(parts_ms: pd.Series[float]) -> Figure:
    """Draw the parts of an iteration, with their shares."""
    figure, ((axes,),) = lattice(1, 1, panel=(5.6, 0.3 * len(parts_ms) + 1.0))
    axes.barh(range(len(parts_ms)), parts_ms, 0.66, color="#0173b2")
    total = parts_ms.sum()
    for place, value in enumerate(parts_ms):
        axes.text(value, place, f" {value:.1f} ms, {value / total:.0%}", va="center", fontsize=7)
    axes.set_yticks(range(len(parts_ms)), list(parts_ms.index))
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("ms per iteration")
    axes.set_title(f"one training iteration, {total:.1f} ms")
    return figure


def _bar_panels(spent: pd.DataFrame) -> tuple[Figure, list[tuple[pd.DataFrame, Any]]]:
    """Return a figure with a panel of bars per scene, and the panels with their rows."""
    groups = [group for _, group in spent.groupby([*GROUP])]
    most = max(len(_means(group)) for group in groups)
    figure, grid = lattice(len(groups), 1, panel=(5.2, 0.32 * most + 1.1), names=2.6)
    for group, (axes,) in zip(groups, grid, strict=True):
        axes.set_title(title(group, spent))
        axes.grid(axis="y", visible=False)
    return figure, [(group, axes) for group, (axes,) in zip(groups, grid, strict=True)]


def _means(group: pd.DataFrame) -> pd.DataFrame:
    return group.groupby(["method", "variant"])[[*_PARTS, "iter_ms", "iter_ms_p95"]].mean()


def _name_rows(axes: Any, entries: list[Any]) -> None:
    names = [entry_label(*_entry(entry), 44) for entry in entries]
    axes.set_yticks(range(len(entries)), names, fontsize=7)
    axes.invert_yaxis()


def _entry(key: Any) -> Entry:
    method, variant = key
    return str(method), str(variant)
