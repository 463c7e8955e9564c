"""`analysis.rows_compared` as a page: Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
from tabulate import tabulate

from effbench.analysis.figures import FIGURES
from effbench.analysis.rows_compared import EXACT, NONE, PAIRED, WELCH, Comparison, written
from effbench.records import latex

_TESTS = {PAIRED: "paired t", WELCH: "Welch's t", EXACT: "does not vary", NONE: "too few seeds"}
_LEGEND = """\
{a} against {b}. Qualities: mean of the difference; all else: geometric mean of the ratio. \
Brackets: 95 % interval. Paired: within repetitions, whose seeds are equal in both rows; Welch: \
where repetitions or seeds are not the same. p is two-sided; Holm: adjusted over the {tested} \
tests printed here. Fewer than two seeds on a side are not tested."""


def to_markdown(found: Comparison, a: str, b: str) -> str:
    """Return the page of a comparison, GitHub Markdown."""
    headings, cells = _table(found.rows)
    align = ["left", "left", *["right"] * 5, "left", "right", "right"]
    page = tabulate(
        [[cell.replace("|", "\\|") for cell in row] for row in cells],
        headings,
        tablefmt="github",
        colalign=align,
        disable_numparse=True,
    )
    parts = [f"# {a} against {b}", page, _legend(found, a, b), *_alone(found)]
    return "\n\n".join(parts) + "\n"


def to_latex(found: Comparison, a: str, b: str) -> str:
    """Return the page of a comparison, LaTeX with booktabs."""
    headings, cells = _table(found.rows)
    rows = [[latex.escape(cell) for cell in row] for row in cells]
    table = latex.booktabs(headings, rows, "llrrrrrlrr", _legend(found, a, b))
    return latex.page([table, *(latex.escape(text.replace("* ", "")) for text in _alone(found))])


def _table(rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    headings = ["scene", "figure", "n", "A", "B", "A − B, A ÷ B", "95 %", "test", "p", "p Holm"]
    several = len(rows[["budget", "device"]].drop_duplicates()) > 1
    cells = []
    for row in cast(list[dict[str, Any]], rows.to_dict("records")):
        about = FIGURES[row["figure"]]
        where = [row["scene"], row["budget"], row["device"]] if several else [row["scene"]]
        effect, interval = written(row)
        n = str(row["n_a"]) if row["n_a"] == row["n_b"] else f"{row['n_a']}, {row['n_b']}"
        means = [
            "" if pd.isna(row[side]) else about.write(row[side]) for side in ("mean_a", "mean_b")
        ]
        line = [", ".join(where), about.heading, n, *means, effect, interval]
        cells.append([*line, _TESTS[row["test"]], _p(row["p"]), _p(row["p_holm"])])
    return headings, cells


def _legend(found: Comparison, a: str, b: str) -> str:
    return _LEGEND.format(a=f"A: {a}", b=f"B: {b}", tested=int(found.rows["p"].notna().sum()))


def _alone(found: Comparison) -> Sequence[str]:
    return ["Not compared:\n\n" + "\n".join(f"* {a}" for a in found.alone)] if found.alone else []


def _p(value: Any) -> str:
    return "" if pd.isna(value) else "<0.001" if value < 0.001 else f"{value:.3f}"
