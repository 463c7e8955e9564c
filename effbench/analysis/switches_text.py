"""Switches for people: rows with what they cost and reached, and what is said of each claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis import skipped
from effbench.analysis.equivalence import Region
from effbench.analysis.figures import FIGURES, significant
from effbench.analysis.identity import GROUP, spaced
from effbench.analysis.measures import MEASURES
from effbench.analysis.paper import Paper
from effbench.analysis.side_by_side import notes
from effbench.analysis.switches import untested
from effbench.analysis.verdict_text import figure, line, region

_LEGEND = """\
A figure is the mean over a row's seeds; × and Δ are relative to the baseline, with 95 % \
intervals. s to its PSNR: mean total time, preparation included, at which the baseline's last \
PSNR on the curve is first reached; >: not by then, ≤: by the curve's first point. Speed-up: of \
counted training time, without preparation, within pairs of seeds. PSNR: after equal budgets. \
Samples per ray: those that are trained on, at the end. Skipped: the share of the samples of the \
same march everywhere in the scene's box that are not among them, by occupancy grid, early \
termination and compaction. A claim is about a switch: the row that has it on against the row \
that has it off, of each the one that differs least from the baseline. **Confirmed**: the 95 % \
interval is beyond the stated margin on the claimed side. **Contradicted**: it is wholly on the \
other side of the margin. **Open**: neither. Each claim is judged by itself at 95 %: of twenty, \
one may be wrong. No verdict on fewer than 3 seeds."""
_CLAIMS = """\
A claim holds one row against another of the same scene, budget and device, of each the one that \
differs least from the baseline. **Confirmed**: the 95 % interval lies within the stated span. \
**Contradicted**: it lies wholly outside. **Open**: neither. Each claim is judged by itself at \
95 %: of twenty, one may be wrong. No verdict on fewer than 3 seeds."""
_BOUNDS = {">=": "≥ ", "<=": "≤ ", ">": "> "}


def to_markdown(paper: Paper, frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `switches.beside`; `problems` are listed at its end."""
    parts = [_about(paper)]
    if frame.empty:
        parts.append("These folders have no rows.")
    for values, rows in frame.groupby([*GROUP], sort=False):
        suite, scene, budget, device = values
        conditions = f"Budget {budget}" + (f" on {device}." if device else ".")
        headings, cells = table(paper, rows)
        align = ["left", *["right"] * (len(headings) - 3), "left", "left"]
        page = tabulate(cells, headings, tablefmt="github", disable_numparse=True, colalign=align)
        parts += [f"## {suite} · {scene}", conditions, page]
        parts += [f"{head}\n\n" + "\n".join(f"* {x}" for x in xs) for head, xs in said(paper, rows)]
    if not frame.empty:
        parts.append(_LEGEND)
    parts += notes(paper)
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def table(_: Paper, rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of one scene's rows, in their order; what nobody measured has no
    column."""
    first = rows.drop_duplicates(["method", "variant"])
    columns = [name for name, write in _COLUMNS.items() if any(map(write, _records(first)))]
    cells = []
    for row in _records(first):
        name = spaced(row["method"], row["variant"])
        own = rows[(rows["method"] == row["method"]) & (rows["variant"] == row["variant"])]
        told = [each for each in _records(own) if each["switch"]]
        claims = "; ".join(f"{each['source']}: {each['switch']}" for each in told)
        verdicts = "; ".join(each["verdict"] or "none" for each in told)
        figures = [_COLUMNS[column](row) for column in columns]
        seeds = f"n={row['n']}" + (f" ({row['lost']})" if row["lost"] else "")
        cells.append([name, seeds, *figures, claims, verdicts])
    return ["row", "seeds", *columns, "claimed", "verdict"], cells


def said(paper: Paper, rows: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return each claim that one scene's rows test with what is said of it, then the others."""
    found = []
    for row in _records(rows[rows["switch"] != ""]):
        found.append((_claim(row), [line(_as_verdict(row))]))
    first = rows.drop_duplicates(["method", "variant"])
    if paper.skipped and (ends := skipped.span(paper.skipped, str(rows["scene"].iloc[0]), first)):
        found.append((f"**Samples skipped.** {skipped.claim(paper.skipped)}.", [f"{ends}."]))
    if missing := untested(paper, rows):
        lines = [f"{s.name}: needs {s.on} and {s.off}." for s in missing]
        found.append(("**Not tested here.**", lines))
    return found


def claims(paper: Paper, frame: pd.DataFrame) -> list[str]:
    """Return sections on what a paper of figures claims besides, by scene; empty where no row
    tests any of it."""
    sections = []
    for values, rows in frame[frame["switch"] != ""].groupby([*GROUP], sort=False):
        suite, scene, *_ = values
        lines = [f"{head}\n\n" + "\n".join(f"* {x}" for x in xs) for head, xs in said(paper, rows)]
        sections.append("\n\n".join([f"## Claims · {suite} · {scene}", *lines]) + "\n")
    return [*sections, f"{_CLAIMS}\n"] if sections else []


def own_table(paper: Paper) -> str:
    """Return what is claimed of each switch, without any results."""
    cells = [["" if v is None else str(v) for v in row.values()] for row in paper.rows]
    page = tabulate(cells, list(paper.rows[0]), tablefmt="github", disable_numparse=True)
    return "\n\n".join([_about(paper), page, *notes(paper)]) + "\n"


def _about(paper: Paper) -> str:
    return f"# {paper.title}\n\n{paper.authors}; {paper.source}. Of {paper.setting}."


def _claim(row: Mapping[Any, Any]) -> str:
    measure = str(row["measure"])
    held = Region(row["claim_low"], row["claim_high"], MEASURES[measure].kind)
    title, span = MEASURES[measure].title, region(measure, held)
    name, source = (text[0].upper() + text[1:] for text in (row["switch"], row["source"]))
    return f"**{name}.** {source}: {row['says']}. Claimed: {title} {span}."


def _as_verdict(row: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a row's claim as a row of `verdict.verdict`, as `verdict_text` writes them."""
    return {**row, "method": row["on"], "variant": "", "baseline": row["off"], "n": row["pairs"]}


def _time(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["to_baseline_s"]):
        return ""
    bound = _BOUNDS.get(row["to_baseline_bound"], "")
    return f"{bound}{significant(row['to_baseline_s'])}"


def _relative(measure: str) -> Callable[[Mapping[Any, Any]], str]:
    def write(row: Mapping[Any, Any]) -> str:
        if pd.isna(row[f"{measure}_mean"]) and row[f"{measure}_bound"] != "not reached":
            return ""
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        found = {"measure": measure, "mean": row[f"{measure}_mean"], "std": math.nan}
        text = figure({**found, "bound": row[f"{measure}_bound"]})
        if pd.isna(low):
            return text
        sign = "+" if MEASURES[measure].neutral == 0 else ""
        upper = f"{high:{sign}.2f}" if math.isfinite(high) else "∞"
        return f"{text} [{low:{sign}.2f}, {upper}]"

    return write


def _plain(name: str) -> Callable[[Mapping[Any, Any]], str]:
    return lambda row: "" if pd.isna(row[name]) else FIGURES[name].write(row[name])


def _per_ray(row: Mapping[Any, Any]) -> str:
    return "" if pd.isna(row["samples_per_ray"]) else f"{row['samples_per_ray']:.1f}"


def _skipped(row: Mapping[Any, Any]) -> str:
    return skipped.percent(row["skipped"])


def _records(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    return rows.to_dict("records")


_COLUMNS: dict[str, Callable[[Mapping[Any, Any]], str]] = {
    "s to its PSNR": _time,
    "speed-up": _relative("speedup"),
    "PSNR dB": _plain("psnr"),
    "Δ PSNR": _relative("psnr_gain"),
    "iter mean ms": _plain("iter_ms_mean"),
    "iter ×": _relative("iter_ratio"),
    "peak MB": _plain("peak_mem_mb"),
    "steady ×": _relative("steady_ratio"),
    "saved MB": _plain("saved_mb"),
    "saved ×": _relative("saved_ratio"),
    "energy J": _plain("energy_j"),
    "samples/ray": _per_ray,
    "skipped %": _skipped,
}
