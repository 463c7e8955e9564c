"""Rows of a run, and what a source claims of the switches that tell them apart.

Every row stands with what it cost and reached, relative to the run's baseline. A claim is about a
switch: of all rows that have it on, and of all that have it off, the one that differs least from
the baseline is taken, and the first is held against the second. So a default that has the switch
on is judged as well as a row that turns it on, and each claim is tested once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from effbench.analysis import comparison
from effbench.analysis.claims import Judgement, judge, published
from effbench.analysis.identity import CONDITIONS, GROUP, label
from effbench.analysis.measures import CLAIMED
from effbench.analysis.paper import Paper, Selector, Switch
from effbench.analysis.statistics import Summary

FIGURES = (
    *("psnr", "iter_ms_mean", "peak_mem_mb", "saved_mb", "energy_j"),
    *("to_baseline_s", "samples_per_ray", "skipped"),
)
_SPAN = ("mean", "low", "high", "bound")
COLUMNS = (
    *(*GROUP, "method", "variant", "n", "lost", *FIGURES, "to_baseline_bound"),
    *(f"{name}_{part}" for name in CLAIMED for part in _SPAN),
    *("switch", "source", "says", "on", "off", "measure", "pairs", "mean", "std", "low", "high"),
    *("bound", "test", "claim_low", "claim_high", "verdict", "reason", "p", "needed"),
)
_CLAIM = COLUMNS[COLUMNS.index("switch") :]


class Row:
    """The cells of one row under common conditions. params: all of its parameters, and what its
    variant says besides; base: the baseline's, to which `distance` counts the differences."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self.cells = cells
        self.done = cells[cells["status"] == "ok"]
        first = cells.iloc[0]
        self.method, self.variant = str(first["method"]), str(first["variant"])
        self.params = {**_told(self.variant), **json.loads(first["settings"])}
        self.budget, self.device = str(first["budget"]), str(first["device"])

    def __str__(self) -> str:
        return label(self.method, self.variant)

    def distance(self, other: Row) -> int:
        """Return how many settings differ, a method that is another counted as one."""
        own, others = self.params, other.params
        same = self.method == other.method
        keys = own.keys() | others.keys() if same else own.keys() & others.keys()
        differ = [key for key in keys if own.get(key) != others.get(key)]
        return len(differ) + (not same)


def beside(
    paper: Paper, cells: pd.DataFrame, curves: pd.DataFrame, baseline: str | None
) -> pd.DataFrame:
    """Return COLUMNS: per row of a run one line, or one for each claim that is shown with it.

    cells, curves: as `results.comparable` returns them, cells with the columns of FIGURES that are
    known and `to_baseline_bound`; baseline: the label of the row that the others are relative to.
    lost: how repetitions ended that did not finish; pairs to p: as `verdict.verdict` has them. A
    claim is shown with the row that is not the baseline, of two such rows with the one that has
    the switch on.
    """
    lines: list[dict[str, Any]] = []
    for about, group in cells.groupby([*CONDITIONS]) if len(cells) else ():
        common = dict(zip(CONDITIONS, about, strict=True))
        keys = ["method", "variant", "settings"]
        rows = [Row(own) for _, own in group.groupby(keys, sort=False)]
        base = next((row for row in rows if str(row) == baseline), None)
        claims = _claims(paper, rows, base, curves)
        for row in rows:
            line = {**{name: common[name] for name in GROUP}, **_figures(row)}
            line |= _relative(row, base, curves)
            told = [values for owner, values in claims if owner is row]
            lines += [{**line, **values} for values in told or [_nothing()]]
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype({"needed": "Int64"})


def untested(paper: Paper, rows: pd.DataFrame) -> list[Switch]:
    """Return the switches of the methods of some rows of `beside` of which these say nothing."""
    known, methods = set(rows["switch"]), set(rows["method"])
    return [s for s in paper.switches if s.name not in known and s.on.method in methods]


def _claims(
    paper: Paper, rows: Sequence[Row], base: Row | None, curves: pd.DataFrame
) -> list[tuple[Row, dict[str, Any]]]:
    """Return per claim that these rows test the row it is shown with, and its columns; none
    without a baseline, to which rows would be near."""
    if base is None:
        return []
    found = []
    for switch in paper.switches:
        on, off = (_nearest(side, rows, base) for side in (switch.on, switch.off))
        if on is None or off is None or on is off:
            continue
        found.append((off if on is base else on, _judged(paper, switch, on, off, curves)))
    return found


def _nearest(selector: Selector, rows: Sequence[Row], base: Row) -> Row | None:
    """Return the row that a selector names; of several, the one that differs least from the
    baseline, of equals the first."""
    named = [row for row in rows if selector.matches(row.method, row.params)]
    return min(named, key=base.distance, default=None)


def _judged(
    paper: Paper, switch: Switch, on: Row, off: Row, curves: pd.DataFrame
) -> dict[str, Any]:
    claim, measure = published(paper, switch.claim), switch.claim.measure
    summary = comparison.of_measure(measure, on.done, off.done, curves)
    said = judge({measure: summary}, {measure: claim}, on.budget, on.device)
    told = said.get(measure, Judgement(""))
    if switch.found and (both := _shared(switch.found, on, off)):
        told = Judgement("", f"no verdict: both ran with {switch.found} {both} on this device")
    assert claim.region is not None
    return {
        "switch": switch.name,
        "source": switch.source,
        "says": switch.claim.says,
        "on": str(on),
        "off": str(off),
        "measure": measure,
        "pairs": summary.n,
        **{name: getattr(summary, name) for name in ("mean", "std", "low", "high")},
        **{"bound": summary.bound, "test": summary.test},
        **{"claim_low": claim.region.low, "claim_high": claim.region.high},
        **vars(told),
    }


def _shared(column: str, on: Row, off: Row) -> str:
    """Return what finished cells of both rows have in a column if it is the same, else ""."""
    values = {str(value) for row in (on, off) for value in row.done.get(column, [""])}
    return values.pop() if len(values) == 1 else ""


def _figures(row: Row) -> dict[str, Any]:
    known = [name for name in FIGURES if name in row.done]
    means = row.done[known].astype(float).mean()
    bounds = row.done.get("to_baseline_bound", pd.Series(dtype=str))
    return {
        "method": row.method,
        "variant": row.variant,
        "n": len(row.done),
        "lost": ", ".join(dict.fromkeys(row.cells["status"][row.cells["status"] != "ok"])),
        **dict.fromkeys(FIGURES, math.nan),
        **{name: float(means[name]) for name in known},
        "to_baseline_bound": str(bounds.iloc[0]) if len(bounds) else "",
    }


def _relative(row: Row, base: Row | None, curves: pd.DataFrame) -> dict[str, Any]:
    """Return the measures of a row against the baseline; of the baseline itself nothing."""
    found: Mapping[str, Summary] = {}
    if base is not None and row is not base:
        found = comparison.compare(row.done, base.done, curves)
    nan = math.nan
    nothing = Summary(0, nan, nan, nan, nan)
    own = {name: found.get(name, nothing) for name in CLAIMED}
    return {f"{name}_{part}": getattr(own[name], part) for name in CLAIMED for part in _SPAN}


def _nothing() -> dict[str, Any]:
    """Return the columns of a claim where there is none."""
    words = ("switch", "source", "says", "on", "off", "measure", "bound", "test", "verdict")
    return {
        **dict.fromkeys(_CLAIM, math.nan),
        **dict.fromkeys((*words, "reason"), ""),
        **{"pairs": 0, "needed": None},
    }


def _told(variant: str) -> dict[str, Any]:
    """Return what a variant says, "ranks=2", with values as JSON has them where they are such."""
    found: dict[str, Any] = {}
    for setting in filter(None, variant.split(",")):
        name, _, value = setting.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
