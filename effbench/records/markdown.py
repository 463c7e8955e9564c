"""The leaderboard as a page that people read: rounded, with units, failures and means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis import per_view
from effbench.analysis.controls import KINDS
from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import GROUP
from effbench.records import equal_terms

_LEGEND = """\
PSNR is the mean ± sample standard deviation over n seeds; a row with n=1 has no deviation. MB are \
1e6 bytes. train: time the clock counted; setup: scene to device, compilation, warm-up; prepare: \
parents and pseudo views. Δ parent, Δ control: PSNR over the row that it starts from, and over the \
one that was trained for as long without what the method is about, within repetitions, with the \
95 % interval of the mean; the first counts the parent's time as nothing. iter: median duration of \
one iteration, its mean and its 95th percentile. peak: memory while training; saved: kept for \
backward by one iteration. model: the shipped file, and after zstandard (zst). marks: what else to \
know of a row, such as a machine that was shared. What each column means is in docs/records.md."""


def render(frame: pd.DataFrame, means: pd.DataFrame, problems: Sequence[str]) -> str:
    """Return the page of `tables.leaderboard`, `tables.suite_means` and messages to list."""
    parts = ["# Leaderboard"]
    if frame.empty:
        parts.append("No records.")
    for (suite, scene, budget, device), rows in frame.groupby([*GROUP], sort=False):
        parts += [f"## {suite} · {scene}", _about(budget, device), _table(rows)]
        parts += equal_terms.section(rows)
    for (suite, budget, device), rows in means.groupby(["suite", "budget", "device"], sort=False):
        scenes = rows["scenes"].iloc[0]
        parts += [f"## {suite} · mean of {scenes} scenes", _about(budget, device), _table(rows)]
    if not frame.empty:
        parts.append(_LEGEND + _unmeasured(frame))
    failed = [_failure(row) for row in frame.to_dict("records") if row["status"] != "ok"]
    if failed:
        parts += ["## Failures", "\n".join(failed)]
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def _table(rows: pd.DataFrame) -> str:
    """Return a GitHub table; figures that no row has are left out, and so is a total time that is
    everywhere that of training."""
    left_out = ["psnr", *per_view.FIGURES]
    if "train_s" in rows and (rows["total_train_s"] == rows["train_s"]).all():
        left_out.append("total_train_s")
    cells: dict[str, list[str]] = {
        "method": [_escape(_method(row)) for row in rows.to_dict("records")],
        "variant": [_escape(v.replace(",", ", ")) for v in rows["variant"]],
    }
    if "n" in rows:
        cells["seeds"] = [f"n={n}" for n in rows["n"]]
        cells["status"] = ["" if s == "ok" else s for s in rows["status"]]
    cells["PSNR dB"] = [_psnr(row) for row in rows.to_dict("records")]
    for kind in KINDS if "parent" in rows else ():
        cells[f"Δ {kind} dB"] = [gain(row, kind) for row in rows.to_dict("records")]
    for name, about in FIGURES.items():
        if name in rows and name not in left_out:
            cells[about.heading] = ["" if pd.isna(v) else about.write(v) for v in rows[name]]
    if "backend" in rows:
        cells["backend"] = [_escape(b) for b in rows["backend"]]
        cells["marks"] = [_escape(m) for m in rows["marks"]]
    cells = {name: column for name, column in cells.items() if name == "method" or any(column)}
    text = ("method", "variant", "seeds", "status", "backend", "marks")
    align = ["left" if name in text else "right" for name in cells]
    return tabulate(cells, headers="keys", tablefmt="github", colalign=align, disable_numparse=True)


def _method(row: dict[Any, Any]) -> str:
    return f"{row['method']} (parent)" if row.get("role") == "parent" else str(row["method"])


def _psnr(row: dict[Any, Any]) -> str:
    if pd.isna(row["psnr"]):
        return ""
    deviation = row.get("psnr_std")
    return f"{row['psnr']:.2f}" + ("" if pd.isna(deviation) else f" ± {deviation:.2f}")


def gain(row: Mapping[Any, Any], kind: str) -> str:
    """Return the difference to a row's parent or control as text: "+0.31 [−0.02, +0.64]"."""
    mean, low, high = (row[f"over_{kind}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(mean):
        return ""
    interval = "" if pd.isna(low) else f" [{low:+.2f}, {high:+.2f}]"
    return f"{mean:+.2f}{interval}".replace("-", "−")


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


def _escape(text: object) -> str:
    return str(text).replace("|", "\\|")
