"""What a run prints at its end: the leaderboard's main columns, a verdict, where the files are."""

from __future__ import annotations

import io
import statistics
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from effbench.analysis import identity, verdict_text
from effbench.analysis.controls import KINDS
from effbench.analysis.figures import FIGURES
from effbench.analysis.paper import Paper
from effbench.records import tables
from effbench.records.board import gain
from effbench.runs.progress import duration
from effbench.runs.run import Result

# What a person looks at first; leaderboard.csv has all columns.
_SHOWN = (
    *("method", "variant", "scene", "n", "status", "psnr", *(f"Δ {kind}" for kind in KINDS)),
    *("ssim", "flip", "prepare_s", "train_s"),
    *("iter_ms", "peak_mem_mb", "model_mb", "render_ms"),
)


def print_result(result: Result, console: Console) -> None:
    """Print the leaderboard's main columns, the verdict, if any, and where the files are."""
    _print(_leaderboard(result), console)
    if result.paper is not None and result.verdict is not None:
        print_verdict(result.paper, result.verdict, console)
    for row in tables.leaderboard(result.records).to_dict("records"):
        if row["marks"]:
            note = f"note: {identity.label(row['method'], row['variant'])}: {row['marks']}"
            console.print(note, markup=False, highlight=False, soft_wrap=True)
    if cost := _cost(result):
        console.print(cost, markup=False, highlight=False, soft_wrap=True)
    places = {
        "leaderboard": result.out / "leaderboard.md",
        **({"verdict": result.out / "verdict.md"} if result.verdict is not None else {}),
        **({"paper": result.out / "paper.md"} if result.paper and not result.paper.judged else {}),
        **({"pictures": result.out / "plots"} if result.plots else {}),
        "records": result.out / "cells",
    }
    for label, path in places.items():
        console.print(f"{label + ':':<12} {path}", markup=False, highlight=False, soft_wrap=True)


def print_verdict(paper: Paper, verdict: pd.DataFrame, console: Console) -> None:
    """Print per scene the rows against their baselines, and what that says of each claim."""
    for (scene, budget, device), rows in verdict.groupby(["scene", "budget", "device"]):
        headings, cells = verdict_text.table(paper, rows)
        title = f"{paper.name}: {scene}, {budget}, {device}"
        _print(_table(title, headings, cells, left=3), console)
        for claim, lines in verdict_text.said(paper, rows):
            text = "\n".join([claim, *(f"  {line}" for line in lines)]).replace("**", "")
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        console.print()


def _cost(result: Result) -> str:
    """Return what cells took with all that is around their budget, and how many that is an hour;
    "" where none ended."""
    took = [r.time["total_s"] for r in result.records if r.time.get("total_s")]
    if not took:
        return ""
    mean = statistics.fmean(took)
    return f"cells took {duration(mean)} each: {3600 / mean:.0f} an hour, one at a time"


def _leaderboard(result: Result) -> Table:
    frame = tables.leaderboard(result.records)
    for kind in KINDS:  # differences to the parent and to the control, where there are any
        frame[f"Δ {kind}"] = [gain(row, kind) for row in frame.to_dict("records")]
    # What all rows have in common is said once, above the table.
    common = [name for name in ("scene", "budget", "device") if frame[name].nunique() == 1]
    title = ", ".join(str(frame[name].iloc[0]) for name in common)
    empty = [f"Δ {kind}" for kind in KINDS if not frame[f"Δ {kind}"].any()]
    shown = [name for name in _SHOWN if name not in (*common, *empty)]
    frame["variant"] = frame["variant"].str.replace(",", " ")  # where lines may break
    rows = [[_written(name, row[name]) for name in shown] for row in frame.to_dict("records")]
    left = sum(name in ("method", "variant", "scene") for name in shown)
    return _table(title, shown, rows, left)


def _table(title: str, headings: list[str], rows: list[list[str]], left: int) -> Table:
    """Return a table whose first `left` columns are text, the others figures."""
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for index, name in enumerate(headings):
        table.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _print(table: Table, console: Console) -> None:
    if console.is_terminal:
        console.print(table)
    else:
        console.file.write(_plain(table))


def _plain(table: Table) -> str:
    """Return a table without colours and without a terminal's width to wrap it at."""
    stream = io.StringIO()
    Console(file=stream, width=240, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _written(column: str, value: Any) -> str:
    if pd.isna(value):
        return ""
    return FIGURES[column].write(value) if column in FIGURES else str(value)
