"""What a run prints at its end: the leaderboard's main columns, and where the files are."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from effbench import tables
from effbench.run import Result

# What a person looks at first; leaderboard.csv has all columns.
_SHOWN = {
    "method": "{}",
    "variant": "{}",
    "scene": "{}",
    "n": "{}",
    "status": "{}",
    "psnr": "{:.2f}",
    "ssim": "{:.3f}",
    "flip": "{:.3f}",
    "prepare_s": "{:.0f}",
    "train_s": "{:.0f}",
    "iter_ms": "{:.1f}",
    "peak_mem_mb": "{:.0f}",
    "model_mb": "{:.2f}",
    "render_ms": "{:.0f}",
}


def print_result(result: Result, console: Console) -> None:
    """Print the leaderboard's main columns and where the files are."""
    frame = tables.leaderboard(result.records)
    # What all rows have in common is said once, above the table.
    common = [name for name in ("scene", "budget", "device") if frame[name].nunique() == 1]
    title = ", ".join(str(frame[name].iloc[0]) for name in common)
    shown = {name: form for name, form in _SHOWN.items() if name not in common}
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for name in shown:
        text = name in ("method", "variant", "scene")
        table.add_column(name, justify="left" if text else "right", overflow="fold")
    frame["variant"] = frame["variant"].str.replace(",", " ")  # where lines may break
    for row in frame.to_dict("records"):
        table.add_row(*(_figure(form, row[name]) for name, form in shown.items()))
    if console.is_terminal:
        console.print(table)
    else:
        console.file.write(_plain(table))
    for label, path in (
        ("leaderboard", result.out / "leaderboard.md"),
        ("pictures", result.out / "plots"),
        ("records", result.out / "cells"),
    ):
        console.print(f"{label + ':':<12} {path}", markup=False, highlight=False, soft_wrap=True)


def _plain(table: Table) -> str:
    """Return a table without colours and without a terminal's width to wrap it at."""
    stream = io.StringIO()
    Console(file=stream, width=240, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _figure(form: str, value: Any) -> str:
    return "" if pd.isna(value) else form.format(value)
