"""Leaderboards and matrices as LaTeX, and matrices as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import GROUP, spaced
from effbench.analysis.matrix import GROUP as ACROSS
from effbench.analysis.matrix import LAST
from effbench.analysis.standing import BEST, LEADING, OTHER, SECOND
from effbench.records import board, latex, markdown
from effbench.records.styles import LATEX, MARKDOWN, Style

# What fits the width of a page; more by naming columns.
MAIN = (
    *("method", "variant", "n", "psnr", "over_control", "ssim", "lpips_vgg"),
    *("iter_ms", "peak_mem_mb", "model_mb", "render_ms"),
)
_LEGEND = """\
PSNR: mean ± sample standard deviation over n seeds; other figures: means over them. MB: 1e6 \
bytes. Bold: the best of its column; underlined: the second best; parents left out."""
_MATRIX_LEGEND = """\
{heading}: means over seeds; n: cells. mean: over scenes; mean rank: of the ranks on each scene, 1 \
the best, among rows that have every scene; empty for others. Bold: the best of its column; \
underlined: the second best."""


def leaderboard_latex(
    frame: pd.DataFrame,
    means: pd.DataFrame,
    columns: Sequence[str] = (),
    *,
    only_means: bool = False,
) -> str:
    """Return the tables of `tables.leaderboard` and `tables.suite_means`, a table each."""
    tables = []
    if not only_means:
        for (suite, scene, budget, device), rows in frame.groupby([*GROUP], sort=False):
            tables.append(_latex(rows, columns, f"{suite}, {scene}, {budget}, {device}"))
    for (suite, budget, device), rows in means.groupby([*ACROSS], sort=False):
        about = f"{suite}, mean of {rows['scenes'].iloc[0]} scenes, {budget}, {device}"
        tables.append(_latex(rows, columns, about))
    legend = _LEGEND + markdown.marks(frame).replace("`", "")
    return latex.page([*tables, rf"\noindent {latex.escape(legend)}"])


def _latex(rows: pd.DataFrame, columns: Sequence[str], caption: str) -> str:
    names = [name for name in columns or MAIN if name in rows]
    cells = board.texts(rows, names, LATEX)
    kept = [name for name in names if board.heading(name) in cells]
    align = "".join(side[0] for side in board.alignment(kept, rows))
    lines = list(map(list, zip(*cells.values(), strict=True)))
    return latex.booktabs(list(cells), lines, align, caption)


def matrix_markdown(frame: pd.DataFrame, figure: str) -> str:
    """Return the page of `analysis.matrix`."""
    about = FIGURES[figure]
    parts = [f"# {about.heading}, rows × scenes"]
    for (suite, budget, device), rows in frame.groupby([*ACROSS], sort=False):
        headings, cells = _matrix(rows, figure, MARKDOWN)
        align = ["left", *["right"] * (len(headings) - 1)]
        page = tabulate(cells, headings, tablefmt="github", colalign=align, disable_numparse=True)
        parts += [f"## {suite}", f"Budget {budget} on {device}.", page]
    return "\n\n".join([*parts, _MATRIX_LEGEND.format(heading=about.heading)]) + "\n"


def matrix_latex(frame: pd.DataFrame, figure: str) -> str:
    """Return `analysis.matrix` as booktabs tables."""
    about = FIGURES[figure]
    tables = []
    for (suite, budget, device), rows in frame.groupby([*ACROSS], sort=False):
        headings, cells = _matrix(rows, figure, LATEX)
        align = "l" + "r" * (len(headings) - 1)
        caption = f"{about.heading}: {suite}, {budget}, {device}"
        tables.append(latex.booktabs(headings, cells, align, caption))
    legend = latex.escape(_MATRIX_LEGEND.format(heading=about.heading))
    return latex.page([*tables, rf"\noindent {legend}"])


def _matrix(rows: pd.DataFrame, figure: str, style: Style) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells; scenes that no row of the group has are left out."""
    first = list(rows.columns).index("variant") + 1
    scenes = [c for c in rows.columns[first : -len(LAST)] if rows[c].notna().any()]
    about = FIGURES[figure]
    written: dict[str, Any] = {**dict.fromkeys([*scenes, "mean"], about.write)}
    written |= {"mean_rank": "{:.2f}".format, "scenes": str, "n": str}
    cells = [[style.escape(spaced(r["method"], r["variant"])) for r in rows.to_dict("records")]]
    for name, write in written.items():
        places = _places(rows[name], figure, name)
        texts = ["" if pd.isna(v) else write(v) for v in rows[name]]
        cells.append([style.figure(t, p, "") for t, p in zip(texts, places, strict=True)])
    headings = ["row", *scenes, "mean", "mean rank", "scenes", "n"]
    return headings, list(map(list, zip(*cells, strict=True)))


def _places(values: pd.Series[float], figure: str, name: str) -> list[int]:
    if name in ("scenes", "n") or figure not in LEADING:
        return [OTHER] * len(values)
    higher = name != "mean_rank" and FIGURES[figure].better == "higher"
    shown = values if name == "mean_rank" else values.map(FIGURES[figure].shown)
    rank = shown.rank(method="dense", ascending=not higher)
    most = rank.max()
    return [BEST if r == 1 < most else SECOND if r == 2 < most else OTHER for r in rank]
