"""A paper's figures of its methods beside the same methods of a run: absolute, and as ratios.

For papers that report sizes, rates and memory of named methods (`paper.Figure`). Their
hardware is another, so that ratios to a reference method say more than the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis.identity import GROUP
from effbench.analysis.paper import Paper

_LEGEND = """\
Ours: ONNX models run by ONNX Runtime in a process of their own (docs/export.md), at the scene's \
resolution, of the networks as configured: parameters and bytes are of the file. × is relative to \
`{reference}` of the same table. An empty field was not measured or not reported."""


def concerns(paper: Paper, method: str, params: Mapping[str, Any]) -> bool:
    """Return whether a method is one of the paper's, or quantises one."""
    own = {str(row["method"]) for row in paper.rows}
    return method in own or params.get("of") in own


def beside(paper: Paper, board: pd.DataFrame) -> pd.DataFrame:
    """Return a row per row of a leaderboard of what `concerns` the paper.

    Columns: suite, scene, budget, device, method, variant, n, psnr (dB), params; then for each
    figure f of the paper: f, what was measured in the paper's unit; f_ratio, that divided by the
    reference row's; f_paper and f_paper_ratio, what the paper reports. Figures are NaN where there
    is none.
    """
    own = {str(row["method"]): row for row in paper.rows}
    rows = [
        _row(paper, entry, group, own)
        for _, group in board.groupby([*GROUP], sort=False)
        for entry in group.to_dict("records")
    ]
    columns = [*GROUP, "method", "variant", "n", "psnr", "params"]
    for figure in paper.figures:
        name = figure.column
        columns += [name, f"{name}_ratio", f"{name}_paper", f"{name}_paper_ratio"]
    return pd.DataFrame(rows, columns=columns)


def to_markdown(paper: Paper, frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `beside`; `problems` are listed at its end."""
    parts = [heading(paper)]
    if frame.empty:
        names = ", ".join(f"`{row['method']}`" for row in paper.rows)
        parts.append(f"These records have no row of {names}.")
    for values, rows in frame.groupby([*GROUP], sort=False):
        suite, scene, budget, device = values
        conditions = f"Budget {budget}" + (f" on {device}." if device else ".")
        parts += [f"## {suite} · {scene}", conditions, _markdown(*table(paper, rows))]
    if not frame.empty:
        parts.append(_LEGEND.format(reference=paper.reference))
    parts += notes(paper)
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def own_table(paper: Paper) -> str:
    """Return the paper's figures and the notes on them, without any results."""
    cells = [["" if v is None else v for v in row.values()] for row in paper.rows]
    page = tabulate(cells, list(paper.rows[0]), tablefmt="github", floatfmt="g")
    return "\n\n".join([heading(paper), page, *notes(paper)]) + "\n"


def heading(paper: Paper) -> str:
    about = f"{paper.authors}, {paper.source}. Its figures are of {paper.setting}."
    return f"# {paper.title}\n\n{about}"


def notes(paper: Paper) -> list[str]:
    """Return what cannot be among the paper's figures, and what else is to be known of them."""
    cannot = [f"* {note.text}" for note in paper.notes if note.cannot]
    others = [f"* {note.text}" for note in paper.notes if not note.cannot]
    said = (
        [f"Figures that its network, as published, cannot have:\n\n{chr(10).join(cannot)}"]
        if cannot
        else []
    )
    return said + ([f"Besides:\n\n{chr(10).join(others)}"] if others else [])


def _row(
    paper: Paper, entry: dict[Any, Any], group: pd.DataFrame, own: dict[str, Any]
) -> dict[str, Any]:
    plain = group["variant"] == ""
    reference = group[(group["method"] == paper.reference) & plain]
    row = {name: entry[name] for name in [*GROUP, "method", "variant", "n", "psnr", "params"]}
    for figure in paper.figures:
        name, measured = figure.column, figure.measured
        base = reference[measured].iloc[0] * figure.per if len(reference) else math.nan
        published = own[paper.reference][name]
        theirs = own.get(entry["method"], {}).get(name) if entry["variant"] == "" else None
        row[name] = entry[measured] * figure.per
        row[f"{name}_ratio"] = row[name] / base
        row[f"{name}_paper"] = math.nan if theirs is None else theirs
        row[f"{name}_paper_ratio"] = row[f"{name}_paper"] / (published or math.nan)
    return row


def table(paper: Paper, rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of one scene's rows of `beside`, and of the paper's others."""
    columns = ["method", "variant", "seeds", "PSNR dB", "parameters"]
    for figure in paper.figures:
        columns += [figure.title, "×", "paper's", "× "]
    measured = {str(row["method"]) for row in rows.to_dict("records")}
    cells = [_cells(paper, row) for row in rows.to_dict("records")]
    for published in paper.rows:
        if published["method"] not in measured:
            only = [_published(published[f.column], f.per) for f in paper.figures]
            rest = [part for figure in only for part in ("", "", figure, "")]
            cells.append([str(published["method"]), "", "", "", "", *rest])
    return columns, cells


def _markdown(columns: list[str], cells: list[list[str]]) -> str:
    align = ["left", "left", *["right"] * (len(columns) - 2)]
    return tabulate(cells, columns, tablefmt="github", disable_numparse=True, colalign=align)


def _cells(paper: Paper, row: dict[Any, Any]) -> list[str]:
    psnr = "" if pd.isna(row["psnr"]) else f"{row['psnr']:.2f}"
    params = "" if pd.isna(row["params"]) else f"{int(row['params']):,}"
    variant = str(row["variant"]).replace(",", ", ")
    cells = [str(row["method"]), variant, f"n={row['n']}", psnr, params]
    for figure in paper.figures:
        name = figure.column
        cells += [_number(row[name] / figure.per), _ratio(row[f"{name}_ratio"])]
        cells += [_published(row[f"{name}_paper"], figure.per), _ratio(row[f"{name}_paper_ratio"])]
    return cells


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _published(value: float | None, per: float) -> str:
    return "" if value is None or pd.isna(value) else f"{value / per:g}"


def _ratio(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f}"
