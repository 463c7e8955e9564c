"""What a tornado chart shows: how far each row is from the baseline, the largest effect first.

Made where a baseline has at least LEAST rows that differ from it in one parameter each: then all
rows that are compared with it are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from effbench.analysis.identity import GROUP
from effbench.analysis.measures import MEASURES
from effbench.analysis.reference import is_baseline

LEAST = 4  # rows that differ from the baseline in one parameter
CHARTS: Mapping[str, tuple[str, ...]] = {  # by file name: the measure that ranks, those beside it
    "tornado-time": ("speedup", "iter_ratio"),
    "tornado-memory": ("steady_ratio", "saved_ratio"),
}
_FURTHEST = math.log(64)  # bars and intervals are cut off there
_ROOM = 0.06  # of an axis on either side, in parts of its logarithm


@dataclass(frozen=True)
class Bar:
    """A row's effect in one measure: a ratio, its 95 % interval (NaN for none), bound as
    `statistics.Bound`, which colour it has."""

    entry: tuple[str, str]
    mean: float
    low: float
    high: float
    bound: str
    good: bool


@dataclass(frozen=True)
class Panel:
    """Bars from the top, and the ends of their logarithmic axis, which holds 1."""

    measure: str
    bars: list[Bar]
    low: float
    high: float


def wanted(cells: pd.DataFrame, baseline: str) -> bool:
    """Return whether a baseline has enough rows of one factor in any group of `tables.cells`."""
    return single_factors(cells, baseline) >= LEAST


def single_factors(cells: pd.DataFrame, baseline: str) -> int:
    """Return how many rows of a group differ from its baseline in the value of one parameter; the
    most of any group."""
    chosen = is_baseline(cells, baseline)
    most = 0
    for _, group in cells.groupby([*GROUP], sort=False):
        base = group[chosen[group.index]]
        if base.empty:
            continue
        own = json.loads(base["settings"].iloc[0])
        others = group[(group["method"] == base["method"].iloc[0]) & ~chosen[group.index]]
        settings = map(json.loads, others["settings"].unique())
        most = max(most, sum(_differing(own, other) == 1 for other in settings))
    return most


def panels(group: pd.DataFrame, measures: tuple[str, ...]) -> list[Panel]:
    """Return a panel per measure that some row has, of one group of `comparison.claimed`.

    All have the rows in one order: the largest effect in the first measure on top, in either
    direction, those without a mean in it last, by the measures beside it.
    """
    known = group[(group["n"] > 0) & group["measure"].isin(measures)]
    known = known[known["mean"].notna() | (known["bound"] == "not reached")]
    shown = [name for name in measures if name in set(known["measure"])]
    if not shown:
        return []
    order = _ranked(known, shown)
    return [_panel(known[known["measure"] == name], order, name) for name in shown]


def inside(panel: Panel, value: float) -> float:
    """Return a ratio's place on the axis of a panel, from 0 to 1; what is beyond it at its end."""
    span = math.log(panel.high / panel.low)
    place = math.log(value / panel.low) / span if value > 0 else 0.0
    return min(max(place, 0.0), 1.0)


def written(bar: Bar) -> str:
    """Return a row's effect in words: "1.25× [1.20, 1.30]", "> 1.25×", "not reached"."""
    if bar.bound == "not reached":
        return bar.bound
    if math.isnan(bar.mean):
        return ""
    text = f"{'> ' if bar.bound else ''}{bar.mean:.2f}×"
    if math.isnan(bar.low):
        return text
    high = f"{bar.high:.2f}" if math.isfinite(bar.high) else "∞"
    return f"{text} [{bar.low:.2f}, {high}]"


def _ranked(known: pd.DataFrame, measures: list[str]) -> list[tuple[str, str]]:
    effects = {
        (measure, method, variant): -abs(math.log(mean))
        for measure, method, variant, mean in zip(
            *(known[name] for name in ("measure", "method", "variant", "mean")), strict=True
        )
        if not pd.isna(mean)
    }
    entries = dict.fromkeys(zip(known["method"], known["variant"], strict=True))
    return sorted(entries, key=lambda e: [effects.get((m, *e), math.inf) for m in measures])


def _panel(rows: pd.DataFrame, order: list[tuple[str, str]], measure: str) -> Panel:
    higher = MEASURES[measure].better == "higher"
    by_entry = {(row["method"], row["variant"]): row for row in rows.to_dict("records")}
    nothing: dict[Any, Any] = {**dict.fromkeys(("mean", "low", "high"), math.nan), "bound": ""}
    bars = []
    for entry in order:
        row = by_entry.get(entry, nothing)
        mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
        good = (mean > 1) == higher and row["bound"] != "not reached"
        bars.append(Bar(entry, mean, low, high, str(row["bound"]), good))
    ends = [value for bar in bars for value in (bar.mean, bar.low, bar.high)]
    logs = [math.log(v) for v in ends if math.isfinite(v) and v > 0]
    least, most = (max(-_FURTHEST, min([*logs, -0.05])), min(_FURTHEST, max([*logs, 0.05])))
    room = _ROOM * (most - least)
    return Panel(measure, bars, math.exp(least - room), math.exp(most + room))


def _differing(own: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    return sum(own.get(key) != other.get(key) for key in own.keys() | other.keys())
