"""Fronts of a table: who is on them, their hypervolume, and BD-rates of curves of compressed rows.

A *curve* is what one way of compressing gives in several sizes: the rows of a method whose
settings differ in one parameter alone, such as `width` or `of`, where that changes the size.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from effbench.analysis.bd_rate import LEAST_POINTS, bd_rate
from effbench.analysis.bootstrap import Array, drawn_means, interval
from effbench.analysis.hypervolume import hypervolume
from effbench.analysis.identity import ENTRY, GROUP, ROW, label
from effbench.analysis.pareto import pareto
from effbench.errors import ConfigError

QUALITY, SIZE = "psnr", "model_mb"
FRONT = (*GROUP, "cost", *ENTRY, "n", "value", QUALITY)
VOLUME = (*GROUP, "cost", "rows", "seeds", "volume", "low", "high", "most", "least")
RATE = (*GROUP, "curve", "points", "anchor", "anchor_points", "rate", "low", "high",
        "low_db", "high_db", "reason")  # fmt: skip
_APART = 0.01  # sizes of a curve differ by more than this part


@dataclass(frozen=True)
class Fronts:
    """front: FRONT, the rows on the front of each cost; volume: VOLUME, one per cost, with the
    95 % interval (NaN unless every row has two seeds) and the reference point (most, least);
    rates: RATE, BD-rates in %, negative for smaller."""

    front: pd.DataFrame
    volume: pd.DataFrame
    rates: pd.DataFrame


@dataclass(frozen=True)
class _Rows:
    """The rows of a group that have a cost: means and drawn means, [rows] and [draws, rows]."""

    about: pd.DataFrame
    cost: Array
    quality: Array
    drawn_cost: Array
    drawn_quality: Array


def fronts(cells: pd.DataFrame, costs: Sequence[str], curves: Sequence[str] = ()) -> Fronts:
    """Return the fronts of cells (`tables.cells`, with `parent`: the label of the row that each
    starts from, "" for none), for each figure of `costs`, lower being better.

    curves: patterns of row labels with * and ?, alternatives apart by |: curves to compare by
    size, the first of them the anchor, in place of those that settings tell. Raises ConfigError
    for one that no row fits.
    """
    done = cells[cells["status"] == "ok"]
    labels = [label(m, v) for m, v in zip(done["method"], done["variant"], strict=True)]
    done = done.assign(label=labels)
    for pattern in curves:
        if not any(_fits(name, pattern) for name in labels):
            raise ConfigError(f"no row fits the curve '{pattern}': name {', '.join(set(labels))}")
    front: list[Mapping[str, Any]] = []
    volume: list[Mapping[str, Any]] = []
    rates: list[Mapping[str, Any]] = []
    for key, group in done.groupby([*GROUP], sort=True, dropna=False):
        place = dict(zip(GROUP, key, strict=True))
        for cost in costs:
            rows = _rows(group[group["role"] == "row"], cost)
            if rows is not None:
                common = {**place, "cost": cost}
                front += [{**common, **entry} for entry in _on_front(rows)]
                volume.append({**common, **_volume(rows)})
        sized = _rows(group, SIZE)
        if sized is not None:
            rates += [{**place, **entry} for entry in _rates(sized, curves)]
    return Fronts(
        pd.DataFrame(front, columns=list(FRONT)),
        pd.DataFrame(volume, columns=list(VOLUME)),
        pd.DataFrame(rates, columns=list(RATE)),
    )


def _rows(group: pd.DataFrame, cost: str) -> _Rows | None:
    """Return the rows that have the cost, None for fewer than two: one row has no front."""
    known = group.dropna(subset=[cost, QUALITY])
    known = known[known[cost] > 0]
    row = known.groupby([*ROW], sort=True, dropna=False).ngroup()
    if row.nunique() < LEAST_POINTS:
        return None
    drawn = drawn_means(known, row, [cost, QUALITY], positive=[cost])
    about = known.groupby(row)[[*ENTRY, "label", "parent", "role"]].first()
    about["n"] = known.groupby(row).size()
    means = known.groupby(row)[[cost, QUALITY]].mean()
    cost_of, quality_of = (means[name].to_numpy(float) for name in (cost, QUALITY))
    return _Rows(about, cost_of, quality_of, drawn[cost], drawn[QUALITY])


def _on_front(rows: _Rows) -> Iterator[Mapping[str, Any]]:
    frame = rows.about.assign(value=rows.cost, **{QUALITY: rows.quality})
    chosen = frame[pareto(frame, "value", QUALITY)].sort_values("value")
    yield from chosen[[*ENTRY, "n", "value", QUALITY]].to_dict("records")  # type: ignore[misc]


def _volume(rows: _Rows) -> Mapping[str, Any]:
    reference = float(rows.cost.max()), float(rows.quality.min())
    seeds = int(rows.about["n"].min())
    low, high = math.nan, math.nan
    if seeds > 1:
        low, high = interval(hypervolume(rows.drawn_cost, rows.drawn_quality, reference))
    volume = float(hypervolume(rows.cost, rows.quality, reference))
    about = {"rows": len(rows.about), "seeds": seeds, "volume": volume, "low": low, "high": high}
    return {**about, "most": reference[0], "least": reference[1]}


def _rates(rows: _Rows, patterns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if patterns:
        named = {pattern: _fitting(rows, pattern) for pattern in patterns}
        pairs = [((patterns[0], named[patterns[0]]), (p, named[p])) for p in patterns[1:]]
    else:
        pairs = list(_told(rows))
    for (anchor, others), (curve, own) in pairs:
        yield {
            **{"curve": curve, "points": len(own), "anchor": anchor, "anchor_points": len(others)},
            **_rate(rows, others, own),
        }


def _rate(rows: _Rows, anchor: list[int], own: list[int]) -> Mapping[str, Any]:
    found = bd_rate(rows.cost[anchor], rows.quality[anchor], rows.cost[own], rows.quality[own])
    low, high = math.nan, math.nan
    if not found.reason and rows.about["n"].iloc[[*anchor, *own]].min() > 1:
        drawn = [
            bd_rate(cost[anchor], quality[anchor], cost[own], quality[own]).percent
            for cost, quality in zip(rows.drawn_cost, rows.drawn_quality, strict=True)
        ]
        low, high = interval(np.array(drawn))
    about = {"rate": found.percent, "low": low, "high": high}
    return {**about, "low_db": found.low_db, "high_db": found.high_db, "reason": found.reason}


Curve = tuple[str, list[int]]


def _told(rows: _Rows) -> Iterator[tuple[Curve, Curve]]:
    """Yield pairs of anchor and curve that settings tell: compressed rows against the rows they
    were made of, where these are several; and curves of one method against the first of them."""
    for (method, _), curves in _curves(rows).items():
        for name, own in curves.items():
            made_of = _indices(rows, sorted(set(rows.about["parent"].iloc[own]) - {""}))
            if len(made_of) >= LEAST_POINTS:
                yield ("what they were made of", made_of), (f"{method} {name}".strip(), own)
        names = list(curves)
        for name in names[1:]:
            first = (f"{method} {names[0]}".strip(), curves[names[0]])
            yield first, (f"{method} {name}".strip(), curves[name])


def _curves(rows: _Rows) -> dict[tuple[str, str], dict[str, list[int]]]:
    """Return, per method and parameter that changes the size, the curves by their settings."""
    found: dict[tuple[str, str], dict[str, list[int]]] = {}
    entries = list(zip(rows.about["method"], rows.about["variant"], strict=True))
    keys = {(m, s.partition("=")[0]) for m, v in entries for s in v.split(",") if s}
    for method, key in sorted(keys):
        groups: dict[str, list[int]] = {}
        for index, (own, variant) in enumerate(entries):
            settings = variant.split(",")
            rest = [s for s in settings if s.partition("=")[0] != key]
            is_row = rows.about["role"].iloc[index] == "row"
            if is_row and own == method and len(rest) < len(settings):
                groups.setdefault(",".join(rest), []).append(index)
        curves = {name: own for name, own in groups.items() if len(own) >= LEAST_POINTS}
        if curves and all(_sizes_differ(rows.cost[own]) for own in curves.values()):
            found[method, key] = curves
    return found


def _sizes_differ(sizes: Array) -> bool:
    ordered = np.sort(sizes)
    return bool((np.diff(ordered) > _APART * ordered[:-1]).all())


def _indices(rows: _Rows, labels: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(rows.about["label"]) if name in labels]


def _fitting(rows: _Rows, pattern: str) -> list[int]:
    return [i for i, name in enumerate(rows.about["label"]) if _fits(name, pattern)]


def _fits(name: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, part.strip()) for part in pattern.split("|"))
