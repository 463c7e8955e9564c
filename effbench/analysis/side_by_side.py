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

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import GROUP
from effbench.analysis.paper import Paper, Selector

_LEGEND = """\
{ours} × is relative to `{reference}` of the same table, ± the difference from it. An empty field \
was not measured or not reported."""
_PLAIN = {"psnr": "PSNR dB", "params": "parameters"}  # shown where the paper does not report them


def concerns(paper: Paper, method: str, params: Mapping[str, Any]) -> bool:
    """Return whether a method is one of the paper's, or quantises one."""
    own = {m.selector.method for m in paper.matches} or {str(row["method"]) for row in paper.rows}
    return method in own or params.get("of") in own


def named(paper: Paper, entry: Mapping[Any, Any]) -> bool:
    """Return `concerns` of a row of a leaderboard."""
    return concerns(paper, str(entry["method"]), _params(entry))


def beside(paper: Paper, board: pd.DataFrame) -> pd.DataFrame:
    """Return a row per row of a leaderboard of what `concerns` the paper.

    Columns: suite, scene, budget, device, method, variant, n, psnr (dB), params; then for each
    figure f of the paper: f, what was measured in the paper's unit; f_ratio, that divided by the
    reference row's, or minus that where the figure is compared by differences; f_paper and
    f_paper_ratio, what the paper reports; row: the name of that in its table, "" for none. Figures
    are NaN where there is none.
    """
    rows = [
        _row(paper, entry, group)
        for _, group in board.groupby([*GROUP], sort=False)
        for entry in group.to_dict("records")
    ]
    columns = [*GROUP, "method", "variant", "n", "psnr", "params"]
    for figure in paper.figures:
        name = figure.column
        columns += [name, f"{name}_ratio", f"{name}_paper", f"{name}_paper_ratio"]
    return pd.DataFrame(rows, columns=[*dict.fromkeys(columns), "row"])


def published_row(paper: Paper, entry: Mapping[Any, Any]) -> str:
    """Return the name that the paper's table has for a row of a leaderboard, "" for none."""
    if not paper.matches:
        known = any(row["method"] == entry["method"] for row in paper.rows)
        return str(entry["method"]) if known and entry["variant"] == "" else ""
    params = _params(entry)
    for match in paper.matches:
        wanted = {key: str(value) for key, value in match.selector.params.items()}
        if Selector(match.selector.method, wanted).matches(str(entry["method"]), params):
            return match.row
    return ""


def _params(entry: Mapping[Any, Any]) -> dict[str, str]:
    """Return what a row of a leaderboard says of its parameters, as text: what differs between
    rows, and what was set."""
    told = {
        str(key).removeprefix("param."): str(value)
        for key, value in entry.items()
        if str(key).startswith("param.") and not pd.isna(value)
    }
    settings = (setting.partition("=") for setting in str(entry["variant"]).split(",") if setting)
    return told | {key: value for key, _, value in settings}


def to_markdown(paper: Paper, frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `beside`; `problems` are listed at its end."""
    parts = [heading(paper)]
    if frame.empty:
        methods = [m.selector.method for m in paper.matches] or [r["method"] for r in paper.rows]
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(methods))
        parts.append(f"These records have no row of {names}.")
    for values, rows in frame.groupby([*GROUP], sort=False):
        suite, scene, budget, device = values
        conditions = f"Budget {budget}" + (f" on {device}." if device else ".")
        parts += [f"## {suite} · {scene}", conditions, _markdown(*table(paper, rows))]
    if not frame.empty:
        parts.append(_LEGEND.format(ours=paper.ours, reference=paper.reference).strip())
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


def _row(paper: Paper, entry: dict[Any, Any], group: pd.DataFrame) -> dict[str, Any]:
    own = {str(row["method"]): row for row in paper.rows}
    others = group.to_dict("records")
    reference = next((x for x in others if published_row(paper, x) == paper.reference), {})
    name = published_row(paper, entry)
    theirs = own.get(name, {})
    row = {key: entry[key] for key in [*GROUP, "method", "variant", "n", "psnr", "params"]}
    row["row"] = name
    for figure in paper.figures:
        name, measured = figure.column, figure.measured
        relative = _difference if figure.difference else _quotient
        row[name] = _float(entry.get(measured)) * figure.per
        row[f"{name}_ratio"] = relative(row[name], _float(reference.get(measured)) * figure.per)
        row[f"{name}_paper"] = _float(theirs.get(name))
        base = _float(own[paper.reference][name])
        row[f"{name}_paper_ratio"] = relative(row[f"{name}_paper"], base)
    return row


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _quotient(value: float, base: float) -> float:
    return value / base if base else math.nan


def _difference(value: float, base: float) -> float:
    return value - base


def table(paper: Paper, rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of one scene's rows of `beside`, and of the paper's others."""
    columns = ["method", "variant", "seeds", *_plain(paper).values()]
    for figure in paper.figures:
        sign = "±" if figure.difference else "×"
        columns += [figure.title, sign, "paper's", f"{sign} "]
    cells = [_cells(paper, row) for row in rows.to_dict("records")]
    measured = set(rows["row"])
    for published in paper.rows:
        if published["method"] not in measured:
            only = [_published(published[f.column], f.per) for f in paper.figures]
            rest = [part for figure in only for part in ("", "", figure, "")]
            blank = [""] * (2 + len(_plain(paper)))
            cells.append([f"the paper's {published['method']}", *blank, *rest])
    return columns, cells


def _plain(paper: Paper) -> dict[str, str]:
    reported = {figure.column for figure in paper.figures}
    return {name: heading for name, heading in _PLAIN.items() if name not in reported}


def _markdown(columns: list[str], cells: list[list[str]]) -> str:
    align = ["left", "left", *["right"] * (len(columns) - 2)]
    return tabulate(cells, columns, tablefmt="github", disable_numparse=True, colalign=align)


def _cells(paper: Paper, row: dict[Any, Any]) -> list[str]:
    written = {
        "psnr": "" if pd.isna(row["psnr"]) else f"{row['psnr']:.2f}",
        "params": "" if pd.isna(row["params"]) else f"{int(row['params']):,}",
    }
    variant = str(row["variant"]).replace(",", ", ")
    cells = [str(row["method"]), variant, f"n={row['n']}", *(written[x] for x in _plain(paper))]
    for figure in paper.figures:
        name = figure.column
        form = _signed if figure.difference else _ratio
        own, theirs = row[name] / figure.per, row[f"{name}_paper"]
        cells += [FIGURES[figure.measured].write(own) if figure.difference else _number(own)]
        cells += [form(row[f"{name}_ratio"])]
        cells += [_published(theirs, figure.per), form(row[f"{name}_paper_ratio"])]
    return cells


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _published(value: float | None, per: float) -> str:
    return "" if value is None or pd.isna(value) else f"{value / per:,.10g}"


def _ratio(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f}"


def _signed(value: float) -> str:
    return "" if pd.isna(value) else f"{value:+.2f}"
