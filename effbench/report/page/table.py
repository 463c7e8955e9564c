"""The leaderboard as a report shows it: columns with explanations, figures as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from effbench.analysis.against_baseline import marked
from effbench.analysis.figures import FIGURES
from effbench.analysis.standing import BEST, LEADING, OTHER, SECOND, standing
from effbench.records.board import gain
from effbench.records.styles import BETTER, WORSE
from effbench.report.page import data

_CLASSES = {BEST: "best", SECOND: "second", OTHER: ""}
_GAINS = {
    "parent": "PSNR over the row that it starts from, whose time is counted as nothing; with the "
    "95 % interval of the mean over repetitions.",
    "control": "PSNR over the row that was trained for as long without what the method is about; "
    "with the 95 % interval of the mean over repetitions.",
}


@dataclass(frozen=True)
class Column:
    """A column of the page's table. kind: "text", "figure", or what a row is held against
    ("parent", "control"); minor: hidden at first."""

    name: str
    heading: str
    unit: str
    how: str
    kind: str = "figure"
    better: str = ""
    minor: bool = False


def table(board: pd.DataFrame) -> tuple[list[Column], list[list[tuple[str, str]]]]:
    """Return the columns of the leaderboard, and rows of (text, class)."""
    columns = _text_columns(board)
    for name in data.shown_columns(board):
        about, minor = FIGURES[name], FIGURES[name].minor
        heading = about.heading.removesuffix(f" {about.unit}") if about.unit else about.heading
        columns.append(Column(name, heading, about.unit, about.how, "figure", about.better, minor))
    leads = {c.name: standing(board, c.name) for c in columns if c.name in LEADING}
    rows = []
    for index, row in enumerate(board.to_dict("records")):
        cells = []
        for column in columns:
            place = leads[column.name].iloc[index] if column.name in leads else OTHER
            cells.append((_written(column, row), _CLASSES[place]))
        rows.append(cells)
    return columns, rows


def _text_columns(board: pd.DataFrame) -> list[Column]:
    """Return the columns before the figures: what all rows have in common is left out."""
    columns = [
        Column("method", "method", "", "Name of the method.", "text"),
        Column("variant", "variant", "", "Settings of this row.", "text"),
    ]
    explained = {
        "scene": "Scene, with its non-default parameters.",
        "budget": "Training budget of each cell.",
        "device": "Device that trained and rendered.",
        "suite": "Suite that the cells belong to.",
        "backend": "Backend of the kernels.",
    }
    columns += [
        Column(name, name, "", how, "text")
        for name, how in explained.items()
        if board[name].nunique() > 1 or name == "scene"
    ]
    columns.append(Column("n", "n", "", "Seeds that finished: figures are means over them."))
    for kind, how in _GAINS.items():
        if board[f"over_{kind}"].notna().any():
            columns.append(Column(f"over_{kind}", f"Δ {kind}", "dB", how, kind))
    if (board["status"] != "ok").any():
        columns.append(Column("status", "status", "", "How the cells ended.", "text"))
    if (board["marks"] != "").any():
        how = "What else to know of a row: shared or slow machines, other code, fewer views."
        columns.append(Column("marks", "marks", "", how, "text"))
    return columns


def _written(column: Column, row: dict[Any, Any]) -> str:
    value = row[column.name]
    if pd.isna(value):
        return ""
    if column.kind == "text":
        parent = " (parent)" if column.name == "method" and row["role"] == "parent" else ""
        return f"{value}{parent}".replace(",", ", ")
    if column.name == "n":
        return str(value)
    if column.kind in _GAINS:
        return gain(row, column.kind)
    text = FIGURES[column.name].write(value)
    if column.name == "psnr" and not pd.isna(row["psnr_std"]):
        text += f" ± {row['psnr_std']:.2f}"
    if marked(row["better"], column.name):
        text += f" {BETTER}"
    return text + (f" {WORSE}" if marked(row["worse"], column.name) else "")


def choices(board: pd.DataFrame) -> dict[str, list[str]]:
    """Return what the table can be narrowed to: values of columns that have several."""
    names = ("scene", "method", "budget", "device", "suite", "status")
    found = {name: sorted(set(map(str, board[name]))) for name in names}
    return {name: values for name, values in found.items() if len(values) > 1}
