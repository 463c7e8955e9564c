"""Comparing rows by repetitions: pure functions on tables of cells and of curves.

cells: one row per cell: `cell` (unique), `repetition`, `seed`, and figures such as psnr (dB),
iter_ms, saved_mb. curves: one row per point: `cell`, `train_s`, `psnr`. A pair is a repetition that
two rows both finished. The rule: where all pairs have one seed on both sides, initialisation and
order of pixels are common to them, and differences and ratios are taken within pairs ("paired",
Student's t); where any pair has two, the rows are independent samples ("unpaired", Welch's t).
Speed-ups are taken within repetitions in either case: they need two curves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from effbench.analysis.identity import CONDITIONS, ENTRY
from effbench.analysis.measures import CLAIMED, MEASURES, PAIRED
from effbench.analysis.reference import ambiguous, is_baseline
from effbench.analysis.statistics import (
    Summary,
    summarise,
    summarise_ratios,
    summarise_unpaired,
)
from effbench.analysis.time_to_quality import speedup, summarise_speedups

_ROW = [*ENTRY, "settings"]  # a row, under conditions
_FIELDS = ("n", "mean", "std", "low", "high", "test")


def pair(cells: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Join two rows' cells by repetition; the baseline's columns end in `_baseline`. A repetition
    that only one of them has is left out."""
    return cells.merge(baseline, on="repetition", suffixes=("", "_baseline")).sort_values(
        "repetition", ignore_index=True
    )


def ratios(pairs: pd.DataFrame, figure: str) -> pd.Series[float]:
    """Return figure ÷ the baseline's per pair, without pairs in which either is missing or 0."""
    own, other = _both(pairs, figure)
    return (own / other)[(own > 0) & (other > 0)]


def differences(pairs: pd.DataFrame, figure: str) -> pd.Series[float]:
    """Return figure − the baseline's per pair, without pairs in which either is missing."""
    own, other = _both(pairs, figure)
    return (own - other).dropna()


def compare(
    cells: pd.DataFrame, baseline: pd.DataFrame, curves: pd.DataFrame
) -> dict[str, Summary]:
    """Return the summary of every measure of CLAIMED for a row's finished cells against a
    baseline's."""
    by_cell = dict(tuple(curves.groupby("cell")))
    none = curves.iloc[:0]
    pairs = pair(cells, baseline)
    speedups = [
        speedup(by_cell.get(own, none), by_cell.get(other, none))
        for own, other in zip(pairs["cell"], pairs["cell_baseline"], strict=True)
    ]
    return {
        name: against(cells, baseline, name)
        if MEASURES[name].figure
        else summarise_speedups(speedups)
        for name in CLAIMED
    }


def of_measure(
    measure: str, cells: pd.DataFrame, baseline: pd.DataFrame, curves: pd.DataFrame
) -> Summary:
    """Return the summary of any measure for a row's finished cells against a baseline's."""
    if MEASURES[measure].figure:
        return against(cells, baseline, measure)
    return compare(cells, baseline, curves)[measure]


def against(cells: pd.DataFrame, baseline: pd.DataFrame, measure: str) -> Summary:
    """Return the summary of a measure of a figure for a row's finished cells against a baseline's,
    paired or not by the rule above."""
    pairs = pair(cells, baseline)
    return measured(pairs, measure) if share_seeds(pairs) else _apart(cells, baseline, measure)


def share_seeds(pairs: pd.DataFrame) -> bool:
    """Return whether every pair has one seed on both sides."""
    return bool((pairs["seed"] == pairs["seed_baseline"]).all())


def measured(pairs: pd.DataFrame, measure: str) -> Summary:
    """Return the summary of a measure of a figure over pairs."""
    about = MEASURES[measure]
    if about.kind == "ratio":
        return summarise_ratios(list(ratios(pairs, about.figure)))
    return summarise(list(differences(pairs, about.figure)))


def _apart(cells: pd.DataFrame, baseline: pd.DataFrame, measure: str) -> Summary:
    """Return the summary of a measure of two rows whose repetitions have nothing in common."""
    about = MEASURES[measure]
    ratio = about.kind == "ratio"
    own, other = (_column(side, about.figure).dropna() for side in (cells, baseline))
    if ratio:
        own, other = own[own > 0], other[other > 0]
    return summarise_unpaired(list(own), list(other), ratio=ratio)


def paired(cells: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return how every row compares with the named baseline, under equal CONDITIONS.

    Columns: CONDITIONS, method, variant, settings, measure (of PAIRED), n, mean, std, low, high,
    test. n: repetitions that both finished; low, high: 95 % interval of the mean, of the geometric
    mean for ratios; test: "paired" or "unpaired", as the module says. The baseline itself is left
    out; a row without any pair has n = 0. Raises ConfigError if no cell is the baseline's, or if it
    is several rows under equal conditions.
    """
    columns = [*CONDITIONS, *_ROW, "measure"]
    rows = [
        {**row, "measure": name, **_fields(against(mine, theirs, name))}
        for row, mine, theirs in _beside(cells, baseline)
        for name in PAIRED
    ]
    return pd.DataFrame(rows, columns=[*columns, *_FIELDS])


def claimed(cells: pd.DataFrame, curves: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return how every row compares with the named baseline in the measures of CLAIMED, as `paired`
    does in others, and `bound`: "" for an exact mean, ">" for a lower bound, "not reached".

    cells, curves: as `records.results.comparable` returns them. Raises ConfigError as `paired`.
    """
    columns = [*CONDITIONS, *_ROW, "measure"]
    rows = [
        {**row, "measure": name, **_fields(found), "bound": found.bound}
        for row, mine, theirs in _beside(cells, baseline)
        for name, found in compare(mine, theirs, curves).items()
    ]
    return pd.DataFrame(rows, columns=[*columns, *_FIELDS, "bound"])


def _beside(
    cells: pd.DataFrame, baseline: str
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    """Yield every row but the baseline's: what names it, its finished cells, the baseline's under
    equal conditions. Raises ConfigError as `paired`."""
    cells = cells.reset_index(drop=True)  # masks are looked up by it
    chosen = is_baseline(cells, baseline)
    done = cells["status"] == "ok"
    for about, group in cells.groupby([*CONDITIONS], sort=False, dropna=False):
        other = group[chosen[group.index]]
        if other[_ROW].drop_duplicates().shape[0] > 1:
            raise ambiguous(baseline, other)
        common = dict(zip(CONDITIONS, about, strict=True))
        own = group[~chosen[group.index]]
        theirs = other[done[other.index]]
        for key, cells_of_row in own.groupby(_ROW, sort=False):
            row = {**common, **dict(zip(_ROW, key, strict=True))}
            yield row, cells_of_row[done[cells_of_row.index]], theirs


def _fields(found: Summary) -> dict[str, Any]:
    return {name: getattr(found, name) for name in _FIELDS}


def _both(pairs: pd.DataFrame, figure: str) -> tuple[pd.Series[float], pd.Series[float]]:
    return _column(pairs, figure), _column(pairs, f"{figure}_baseline")


def _column(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return a figure's values, NaN where a table does not have it."""
    return frame.get(name, pd.Series(math.nan, frame.index)).astype(float)
