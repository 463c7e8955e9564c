"""The leaderboard's second table: rows at equal total time, equal iterations and equal quality."""

from __future__ import annotations

from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis.figures import FIGURES, integer, significant
from effbench.analysis.identity import spaced

LEGEND = """\
Read off the training curves, whose PSNR is of the few views looked at while training. Total time: \
with parents, teachers and pseudo views. ≥, ≤: the curve ends before that, or begins behind it; >: \
not reached by then."""
_SIGNS = {">=": "≥ ", "<=": "≤ ", ">": "> ", "": ""}


def section(rows: pd.DataFrame) -> list[str]:
    """Return the parts of a page about one scene's rows; none where there are no curves."""
    headings, cells = table(rows)
    if not cells:
        return []
    align = ["left", *["right"] * (len(headings) - 1)]
    page = tabulate(cells, headings, tablefmt="github", colalign=align, disable_numparse=True)
    return ["### On equal terms", page, LEGEND]


def table(rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells, a line per row of a scene that has a curve."""
    known = rows[rows["at_total_s"].notna()]
    if known.empty:
        return [], []
    total = significant(known["at_total_s"].iloc[0])
    headings = ["row", "total s", f"PSNR dB at {total} s in all"]
    with_baseline = known["at_iterations"].notna().any()
    if with_baseline:
        iterations = integer(known["at_iterations"].dropna().iloc[0])
        headings += [f"PSNR dB at {iterations} iterations", "s to the baseline's PSNR"]
    cells = []
    for row in known.to_dict("records"):
        line = [spaced(row["method"], row["variant"]).replace("|", "\\|")]
        line += [_written(row, "total_train_s"), _bounded(row, "psnr_at_total")]
        if with_baseline:
            line += [_bounded(row, "psnr_at_iterations"), _reached(row)]
        cells.append(line)
    return headings, cells


def _written(row: dict[Any, Any], name: str) -> str:
    return "" if pd.isna(row[name]) else FIGURES[name].write(row[name])


def _bounded(row: dict[Any, Any], name: str) -> str:
    if pd.isna(row[name]):
        return ""
    return f"{_SIGNS[row[f'{name}_bound']]}{row[name]:.2f}"


def _reached(row: dict[Any, Any]) -> str:
    if pd.isna(row["to_baseline_s"]):
        return ""
    return f"{_SIGNS[row['to_baseline_bound']]}{significant(row['to_baseline_s'])}"
