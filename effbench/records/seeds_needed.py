"""`analysis.seeds_needed` of records: with the hours that the seeds take, and as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis import seeds_needed
from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import CONDITIONS, GROUP, spaced
from effbench.analysis.reference import is_baseline
from effbench.analysis.seeds_needed import MOST
from effbench.records import tables
from effbench.records.record import Record

_LEGEND = """\
Seeds of each of the two rows with which a two-sided test at 5 % of this one comparison shows the \
effect in 80 % and 95 % of runs; brackets: by the ends of the 80 % interval of the standard \
deviation, which few seeds know badly. σ: of the difference within a repetition (paired), or √(s₁² \
+ s₂²) (Welch){logs}. Hours: of these seeds on this machine, both rows with their parents; seeds \
that are there already are not deducted."""


def of_records(
    records: Sequence[Record], baseline: str, effect: float, figure: str
) -> pd.DataFrame:
    """Return `seeds_needed.needed` of records, with `hours_seed` (of a seed of both rows and of all
    that they start from, counted once), `hours_80` and `hours_95`."""
    kept = tables.latest(records)
    cells = tables.cells(kept).assign(seed=[r.seed for r in kept], index=range(len(kept)))
    found = seeds_needed.needed(cells, baseline, effect, figure)
    chosen = is_baseline(cells, baseline)
    hours = [_hours(kept, cells, chosen, row) for row in found.to_dict("records")]
    found["hours_seed"] = pd.Series(hours, found.index, dtype=float)
    for power in ("80", "95"):
        found[f"hours_{power}"] = found["hours_seed"] * found[f"seeds_{power}"].astype(float)
    return found


def _hours(
    records: Sequence[Record], cells: pd.DataFrame, is_base: pd.Series[bool], row: Mapping[Any, Any]
) -> float:
    """Return the mean hours over repetitions of a row's cells with the baseline's; NaN for none."""
    same = pd.Series(True, cells.index)
    for name in CONDITIONS:
        same &= cells[name] == row[name]
    own = same & (cells["method"] == row["method"]) & (cells["variant"] == row["variant"])
    done = (own | (same & is_base)) & (cells["status"] == "ok")
    by_id = {(r.device, r.cell_id): r for r in records}
    taken = []
    for _, several in cells[done].groupby("repetition"):
        asked = [records[i] for i in several["index"]]
        if len(asked) == 2:
            used = {r.cell_id: r for each in asked for r in _with_parents(each, by_id)}
            taken.append(sum(float(r.time.get("total_s") or 0) for r in used.values()))
    return sum(taken) / len(taken) / 3600 if taken else math.nan


def _with_parents(cell: Record, by_id: Mapping[tuple[str, str], Record]) -> Iterator[Record]:
    yield cell
    for parent in cell.parents.values():
        if (found := by_id.get((cell.device, parent))) is not None:
            yield from _with_parents(found, by_id)


def to_markdown(frame: pd.DataFrame, baseline: str, effect: str) -> str:
    """Return the page, GitHub Markdown. effect: as the user wrote it."""
    parts = [f"# Seeds to see {effect} against {baseline}"]
    if frame.empty:
        parts.append("No other row shares its scene, budget, device and test views.")
        return "\n\n".join(parts) + "\n"
    figure = str(frame["figure"].iloc[0])
    headings = ["row", "seeds now", "test", "σ", "seeds, 80 %", "hours", "seeds, 95 %", "hours"]
    for key, rows in frame.groupby([*GROUP], sort=False):
        place = dict(zip(GROUP, map(str, key), strict=True))
        on = f" on {place['device']}" if place["device"] else ""
        parts += [
            f"## {place['suite']} · {place['scene']}",
            f"{FIGURES[figure].name}, budget {place['budget']}{on}.",
            tabulate(
                [_line(row) for row in rows.to_dict("records")],
                headings,
                tablefmt="github",
                colalign=["left", "right", "left", *["right"] * 5],
                disable_numparse=True,
            ),
        ]
    logs = ", of the logarithm" if seeds_needed.kind(figure) == "ratio" else ""
    return "\n\n".join([*parts, _LEGEND.format(logs=logs)]) + "\n"


def _line(row: Mapping[Any, Any]) -> list[str]:
    name = spaced(row["method"], row["variant"]).replace("|", "\\|")
    start = [name, f"n={row['n']}"]
    if row["reason"]:
        return [*start, str(row["reason"]), *[""] * 5]
    line = [*start, str(row["test"]), f"{row['std']:.3g}"]
    for power in ("80", "95"):
        ends = [_seeds(row[f"seeds_{power}{end}"]) for end in ("_low", "_high")]
        hours = row[f"hours_{power}"]
        line.append(f"{_seeds(row[f'seeds_{power}'])} [{', '.join(ends)}]")
        line.append("" if pd.isna(hours) else f"{hours:.2g}" if hours < 10 else f"{hours:.0f}")
    return line


def _seeds(count: float) -> str:
    return f">{MOST}" if pd.isna(count) else f"{count:.0f}"
