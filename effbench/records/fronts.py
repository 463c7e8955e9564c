"""Fronts of results folders, and as a page: who is on them, hypervolume, BD-rates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis import fronts
from effbench.analysis.figures import FIGURES, axis_label
from effbench.analysis.fronts import Fronts
from effbench.analysis.identity import GROUP, label, spaced
from effbench.records import tables
from effbench.records.record import Record

COSTS = ("model_mb", "total_train_s", "iter_ms", "peak_mem_mb", "render_ms")

VOLUME_NOTE = """\
Area that the rows dominate in the plane of log₁₀ cost and PSNR, in decades · dB, up to the \
largest cost and down to the lowest PSNR among them: comparable within a table, not between \
tables. Brackets: 95 % interval, bootstrap over seeds; none where a row has a single seed."""
RATE_NOTE = """\
BD-rate: mean change in model size at equal PSNR, PCHIP of log size over PSNR, over the range that \
both curves reach; negative: smaller. A curve is a method's rows that differ in one parameter, \
which changes the size. Brackets: 95 % interval, bootstrap over seeds."""


def of_records(
    records: Sequence[Record], costs: Sequence[str] = COSTS, curves: Sequence[str] = ()
) -> Fronts:
    """Return `analysis.fronts.fronts` of records; of a cell that was run twice only the last."""
    kept = tables.latest(records)
    names = {(r.device, r.cell_id): label(r.method, r.variant) for r in kept}
    parents = tables.parents_of(kept)
    starts = [names.get((r.device, p), "") for r, p in zip(kept, parents, strict=True)]
    return fronts.fronts(tables.cells(kept).assign(parent=starts), costs, curves)


def to_markdown(found: Fronts) -> str:
    """Return the page, GitHub Markdown: a section per scene."""
    parts = ["# Fronts"]
    if found.volume.empty:
        parts.append("No two rows of a scene have a PSNR and a cost.")
    for key, volumes in found.volume.groupby([*GROUP], sort=False):
        place = dict(zip(GROUP, map(str, key), strict=True))
        on = f" on {place['device']}" if place["device"] else ""
        parts += [f"## {place['suite']} · {place['scene']}", f"Budget {place['budget']}{on}."]
        for volume in volumes.to_dict("records"):
            rows = _of(found.front, {**place, "cost": volume["cost"]})
            parts += [f"### PSNR against {axis_label(volume['cost'])}", _front(rows)]
            parts.append(f"Hypervolume of {volume['rows']} rows: {written_volume(volume)}.")
        headings, cells = rate_table(_of(found.rates, place))
        if cells:
            parts += ["### BD-rate", _page(headings, cells)]
    if not found.volume.empty:
        parts.append(f"Hypervolume: {VOLUME_NOTE}")
    if not found.rates.empty:
        parts.append(RATE_NOTE)
    return "\n\n".join(parts) + "\n"


def to_json(found: Fronts) -> str:
    """Return one object of three arrays: front, hypervolume, bd_rate; what is not there is null."""
    parts = {"front": found.front, "hypervolume": found.volume, "bd_rate": found.rates}
    rows = {name: json.loads(tables.to_json(frame)) for name, frame in parts.items()}
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def written_volume(row: Mapping[Any, Any]) -> str:
    """Return a hypervolume with its interval: "3.21 [3.02, 3.40]"."""
    return f"{row['volume']:.3g}" + _interval(row, "{:.3g}")


def volume_table(volumes: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells: a line per cost."""
    headings = ["cost", "rows", "hypervolume", "up to", "down to dB"]
    cells = [
        [
            *(axis_label(row["cost"]), str(row["rows"]), written_volume(row)),
            *(FIGURES[row["cost"]].write(row["most"]), f"{row['least']:.2f}"),
        ]
        for row in volumes.to_dict("records")
    ]
    return headings, cells


def rate_table(rates: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells: a line per curve and anchor."""
    headings = ["curve", "against", "points", "BD-rate", "between"]
    cells = []
    for row in rates.to_dict("records"):
        points = f"{row['points']}, {row['anchor_points']}"
        line = [*(_settings(row[name]) for name in ("curve", "anchor")), points]
        if row["reason"]:
            cells.append([*line, f"none: {row['reason']}", ""])
        else:
            rate = f"{row['rate']:+.1f} %".replace("-", "−") + _interval(row, "{:+.1f}")
            cells.append([*line, rate, f"{row['low_db']:.2f} and {row['high_db']:.2f} dB"])
    return headings, cells


def _front(rows: pd.DataFrame) -> str:
    cells = [
        [
            spaced(row["method"], row["variant"]),
            f"n={row['n']}",
            FIGURES[row["cost"]].write(row["value"]),
            f"{row['psnr']:.2f}",
        ]
        for row in rows.to_dict("records")
    ]
    return _page(["row", "seeds", FIGURES[rows["cost"].iloc[0]].heading, "PSNR dB"], cells)


def _page(headings: list[str], cells: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    align = ["left"] * 2 + ["right"] * (len(headings) - 2)
    return tabulate(escaped, headings, tablefmt="github", colalign=align, disable_numparse=True)


def _of(frame: pd.DataFrame, place: Mapping[str, str]) -> pd.DataFrame:
    for name, value in place.items():
        frame = frame[frame[name] == value]
    return frame


def _settings(name: str) -> str:
    return name.replace(",", ", ")


def _interval(row: Mapping[Any, Any], form: str) -> str:
    if pd.isna(row["low"]):
        return ""
    return f" [{form.format(row['low'])}, {form.format(row['high'])}]".replace("-", "−")
