"""The leaderboard as a page that people read: rounded, with units, failures and means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis import per_view
from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import GROUP
from effbench.records import board, equal_terms, scaling
from effbench.records.styles import MARKDOWN

_LEGEND = """\
PSNR is the mean ± sample standard deviation over n seeds; a row with n=1 has no deviation. MB are \
1e6 bytes. train: time the clock counted; setup: scene to device, compilation, warm-up; prepare: \
parents and pseudo views. Δ parent, Δ control: PSNR over the row that it starts from, and over the \
one that was trained for as long without what the method is about, within repetitions, with the \
95 % interval of the mean; the first counts the parent's time as nothing. iter: median duration of \
one iteration, its mean and its 95th percentile. peak: memory while training; saved: kept for \
backward by one iteration. model: the shipped file, and after zstandard (zst). marks: what else to \
know of a row, such as a machine that was shared. **Bold**: the best of its column, \
<u>underlined</u>: the second best, parents left out.{marks} What each column means is in \
docs/records.md."""

MARKS = """\
▲, ▼: better, worse than {} at 5 % (t-test over the n seeds, paired where repetitions and seeds \
are equal, otherwise Welch's; Holm over the rows of a table, figure by figure)."""


def render(
    frame: pd.DataFrame,
    means: pd.DataFrame,
    problems: Sequence[str],
    columns: Sequence[str] = (),
    *,
    only_means: bool = False,
) -> str:
    """Return the page of `tables.leaderboard`, `tables.suite_means` and messages to list.

    columns: those to show, in order, in place of what `board.columns` says; only_means: leave out
    the tables of scenes.
    """
    parts = ["# Leaderboard"]
    if frame.empty:
        parts.append("No records.")
    for (suite, scene, budget, device), rows in _groups(frame, only_means):
        parts += [f"## {suite} · {scene}", _about(budget, device), _table(rows, columns)]
        parts += [] if columns else equal_terms.section(rows) + scaling.section(rows)
    for (suite, budget, device), rows in means.groupby(["suite", "budget", "device"], sort=False):
        heading = f"## {suite} · mean of {rows['scenes'].iloc[0]} scenes"
        parts += [heading, _about(budget, device), _table(rows, columns)]
    if not frame.empty:
        parts.append(_LEGEND.format(marks=marks(frame)) + _unmeasured(frame))
    failed = [_failure(row) for row in frame.to_dict("records") if row["status"] != "ok"]
    if failed:
        parts += ["## Failures", "\n".join(failed)]
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def _table(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """Return a GitHub table."""
    shown = [name for name in names if name in rows] or board.columns(rows)
    cells = board.texts(rows, shown, MARKDOWN)
    kept = [name for name in shown if board.heading(name) in cells]
    align = board.alignment(kept, rows)
    return tabulate(cells, headers="keys", tablefmt="github", colalign=align, disable_numparse=True)


def _groups(frame: pd.DataFrame, only_means: bool) -> Iterable[tuple[Any, pd.DataFrame]]:
    return () if only_means else frame.groupby([*GROUP], sort=False)


def marks(frame: pd.DataFrame) -> str:
    """Return what marks mean; "" where nothing was compared."""
    known = sorted(set(frame["baseline"]) - {""})
    if not known:
        return ""
    return " " + MARKS.format(", ".join(f"`{name}`" for name in known))


def _about(budget: object, device: object) -> str:
    return f"Budget {budget}" + (f" on {device}." if device else ".")


def _unmeasured(frame: pd.DataFrame) -> str:
    done = frame[frame["n"] > 0]
    asked = [name for name in FIGURES if name not in per_view.FIGURES]
    empty = [name for name in asked if len(done) and done[name].isna().all()]
    names = ", ".join(f"`{name}`" for name in empty)
    return f" Not measured in any row: {names}; the records say why." if empty else ""


def _failure(row: dict[Any, Any]) -> str:
    name = " ".join(part for part in (row["method"], row["variant"]) if part)
    reason = " ".join(str(row["reason"]).split()) or "no reason recorded"
    return f"* **{name}** on {row['scene']}, {row['budget']}: {row['status']}. {reason}"
