"""Pictures of profiled cells: the parts of a step end to end, and how busy the machine was."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from effbench.analysis.identity import GROUP
from effbench.records import profiles
from effbench.records.results import Results
from effbench.report.palette import USE, part_colours, title
from effbench.report.plots.labels import entry_label
from effbench.report.plots.style import lattice

_MOST = 12  # panels of one picture: rows whose use of the machine is drawn


def figures(found: Results) -> dict[str, Figure | None]:
    """Return the pictures by name, None where no cell was profiled."""
    return {
        "step-parts": step_parts(profiles.parts(found.records)),
        "utilisation": utilisation(profiles.utilisation(found.records)),
    }


def step_parts(parts: pd.DataFrame) -> Figure | None:
    """Draw `profiles.parts`: a panel per scene, a bar per row, its parts end to end."""
    if parts.empty:
        return None
    groups = [_table(group) for _, group in parts.groupby([*GROUP])]
    titles = [title(group, parts) for _, group in parts.groupby([*GROUP])]
    most = max(len(table) for table in groups)
    figure, grid = lattice(len(groups), 1, panel=(5.2, 0.32 * most + 1.1), names=2.6)
    names = [str(name) for name in parts["part"].cat.categories]
    colours = part_colours(names)
    for (axes,), table, text in zip(grid, groups, titles, strict=True):
        left = pd.Series(0.0, index=table.index)
        for name in table:
            axes.barh(range(len(table)), table[name], 0.66, left, color=colours[str(name)])
            left += table[name]
        labels = [entry_label(str(method), str(variant), 44) for method, variant in table.index]
        axes.set_yticks(range(len(table)), labels, fontsize=7)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_title(text)
        axes.set_xlabel("ms per step")
    handles = [Patch(color=colours[name], label=name) for name in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def utilisation(uses: pd.DataFrame) -> Figure | None:
    """Draw `profiles.utilisation` over time, a panel per row."""
    if uses.empty:
        return None
    rows = [row for _, row in uses.groupby([*GROUP, "method", "variant"])][:_MOST]
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    shown = {name: about for name, about in USE.items() if uses[name].notna().any()}
    handles = [Line2D([], [], color=colour, label=label) for colour, label in shown.values()]
    figure, grid = lattice(lines, columns, handles, panel=(3.6, 2.4))
    places = [axes for line in grid for axes in line]
    for axes, row in zip(places, rows, strict=False):
        for name, (colour, _) in shown.items():
            axes.plot(row["t_s"], 100 * row[name], color=colour, linewidth=1.4)
        method, variant = (str(row[name].iloc[0]) for name in ("method", "variant"))
        axes.set_title(f"{entry_label(method, variant, 44)}\n{title(row, uses)}", fontsize=7.5)
        axes.set_ylim(0, 103)
        axes.set_xlim(left=0)
        axes.set_xlabel("s of further training")
        axes.set_ylabel("busy (%)")
    for axes in places[len(rows) :]:
        axes.remove()
    return figure


def _table(group: pd.DataFrame) -> Any:
    """Return ms by row (method, variant) and part, 0 where a row has it not."""
    keyed = group.assign(part=group["part"].astype(str))
    table = keyed.pivot_table(index=["method", "variant"], columns="part", values="ms", sort=False)
    order = [str(n) for n in group["part"].cat.categories if str(n) in table]
    return table[order].fillna(0.0)
