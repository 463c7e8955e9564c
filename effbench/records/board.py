"""The rows of a leaderboard as texts: headings, rounded figures, what is set off and marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from effbench.analysis import per_view
from effbench.analysis.against_baseline import marked
from effbench.analysis.controls import KINDS
from effbench.analysis.figures import FIGURES, figure, significant
from effbench.analysis.standing import LEADING, OTHER, standing
from effbench.records.styles import BETTER, WORSE, Style

_TEXTS = ("method", "variant", "n", "status", "backend", "marks")
_HEADINGS = {
    "n": "seeds",
    **{f"over_{kind}": f"Δ {kind} dB" for kind in KINDS},
    **{"psnr_std": "PSNR ± dB", "psnr_p": "p of PSNR"},
}


def columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns that a page shows by default, those that no row has left out, and a total
    time that is everywhere that of training."""
    left_out = [*per_view.FIGURES]
    if "train_s" in rows and (rows["total_train_s"] == rows["train_s"]).all():
        left_out.append("total_train_s")
    names = ["method", "variant", "n", "status", "psnr", *(f"over_{kind}" for kind in KINDS)]
    names += [name for name in FIGURES if name != "psnr"] + ["backend", "marks"]
    return [name for name in names if name in rows and name not in left_out]


def texts(rows: pd.DataFrame, names: Sequence[str], style: Style) -> dict[str, list[str]]:
    """Return the cells of one table by heading; columns that are empty but for `method` are left
    out. The best figure of a column is bold, the second best underlined; a mark says that it is
    better or worse than the baseline's beyond noise."""
    entries = rows.to_dict("records")
    cells: dict[str, list[str]] = {}
    for name in names:
        places = [OTHER] * len(rows)
        if name in LEADING:
            places = list(standing(rows, name, by=()))
        column = [
            style.figure(text(row, name), place, _mark(row, name))
            for row, place in zip(entries, places, strict=True)
        ]
        if name == "method" or any(column):
            cells[heading(name)] = column
    return cells


def alignment(names: Sequence[str], rows: pd.DataFrame) -> list[str]:
    """Return "left" or "right" per column."""
    is_text = [name in _TEXTS or not pd.api.types.is_numeric_dtype(rows[name]) for name in names]
    gains = {f"over_{kind}" for kind in KINDS}
    return [
        "left" if left and name not in gains else "right"
        for name, left in zip(names, is_text, strict=True)
    ]


def heading(name: str) -> str:
    return _HEADINGS.get(name) or figure(name).heading


def text(row: Mapping[Any, Any], name: str) -> str:
    """Return one field of a row as people read it; "" for what does not exist."""
    value = row[name]
    if name == "method":
        return f"{value} (parent)" if row.get("role") == "parent" else str(value)
    if name == "status":
        return "" if value == "ok" else str(value)
    if pd.isna(value):
        return ""
    if name == "n":
        return f"n={value}"
    if name in ("variant", "better", "worse"):
        return str(value).replace(",", ", ")
    if name.removeprefix("over_") in KINDS and name.startswith("over_"):
        return gain(row, name.removeprefix("over_"))
    if name in FIGURES:
        deviation = row.get("psnr_std") if name == "psnr" else None
        spread = "" if deviation is None or pd.isna(deviation) else f" ± {deviation:.2f}"
        return FIGURES[name].write(value) + spread
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if name.startswith("psnr_") and name != "psnr_p" else significant(value)


def gain(row: Mapping[Any, Any], kind: str) -> str:
    """Return the difference to a row's parent or control as text: "+0.31 [−0.02, +0.64]"."""
    mean, low, high = (row[f"over_{kind}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(mean):
        return ""
    interval = "" if pd.isna(low) else f" [{low:+.2f}, {high:+.2f}]"
    return f"{mean:+.2f}{interval}".replace("-", "−")


def _mark(row: Mapping[Any, Any], name: str) -> str:
    if marked(row.get("better", ""), name):
        return BETTER
    return WORSE if marked(row.get("worse", ""), name) else ""
