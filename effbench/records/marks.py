"""Marks: what a reader of a row must know beside its figures, in words.

A mark never removes a row or changes a figure. Rows that stand under one name because a folder
holds results of several programs, data or machines say what tells them apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from effbench.analysis import disturbance
from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import ENTRY, FOUND, GROUP

# What tells rows of one name apart, in words; `device` is of the name
_APART = {
    "manifest": "data {:.8}",
    "code": "code {}",
    "eval_views": "{} test views",
    "backend": "backend {}",
    "precision": "precision {}",
    "threads": "{} threads",
    "settings": "other parameters of the same variant",
}


_SPEED, _SLOW = "of its usual speed", "slower machine than usual"
_NUMBER = re.compile(r"\d+")


def of_rows(cells: pd.DataFrame, row: pd.Series[int]) -> pd.Series[str]:
    """Return the marks of each row, joined by "; ", given a table of cells and their rows."""
    told: dict[int, list[str]] = {number: [] for number in sorted(row.unique())}
    for marks in (_stale, _apart, _disturbed, _fewer_seeds, _fewer_views):
        for number, text in marks(cells, row):
            told[number].append(text)
    return pd.Series({number: "; ".join(texts) for number, texts in told.items()}, dtype=object)


def _stale(cells: pd.DataFrame, row: pd.Series[int]) -> list[tuple[int, str]]:
    stale = cells["stale"] != ""
    found = cells.loc[stale, "stale"].groupby(row[stale]).agg(lambda v: ", ".join(sorted(set(v))))
    return [(number, f"stale: {text}") for number, text in found.items()]  # type: ignore[misc]


def _apart(cells: pd.DataFrame, row: pd.Series[int]) -> list[tuple[int, str]]:
    """Return what tells rows apart that have one name in one group."""
    columns = dict.fromkeys([*GROUP, *ENTRY, *FOUND, "settings"])
    first = cells.groupby(row)[list(columns)].first()
    named = first.groupby([*GROUP, *ENTRY], dropna=False)
    several = named["settings"].transform("size") > 1
    found = []
    for _, rows in first[several].groupby([*GROUP, *ENTRY], dropna=False):
        for name, text in _APART.items():
            if rows[name].nunique(dropna=False) > 1:
                found += [(n, text.format(v or "unknown")) for n, v in rows[name].items()]
    return found  # type: ignore[return-value]


def _disturbed(cells: pd.DataFrame, row: pd.Series[int]) -> list[tuple[int, str]]:
    """Return how cells were disturbed: in words for one, their number for several."""
    marked = disturbance.marks(cells)
    marked = marked[marked != ""]
    sizes, found = row.value_counts(), []
    for number, texts in marked.groupby(row[marked.index]):
        of = int(sizes[number])
        said = Counter(part for text in texts for part in text.split("; "))
        words = ", ".join(said if len(texts) == 1 else _together(said))
        found.append((number, f"disturbed {len(texts)}/{of}: {words}" if of > 1 else words))
    return found


def _together(said: Iterable[str]) -> list[str]:
    """Return marks of several cells, each kind once, with the largest of its numbers."""
    largest: dict[str, int] = {}
    for text in said:
        kind, number = _SLOW, _NUMBER.search(text)
        if _SPEED not in text:
            kind = _NUMBER.sub("up to {}", text, count=1)
        largest[kind] = max(largest.get(kind, 0), int(number[0]) if number else 0)
    return sorted(kind.format(number) for kind, number in largest.items())


def _fewer_seeds(cells: pd.DataFrame, row: pd.Series[int]) -> list[tuple[int, str]]:
    """Return the figures that only some of a row's finished cells have, and how many."""
    done = cells["status"] == "ok"
    counts = cells.loc[done, list(FIGURES)].groupby(row[done]).count()
    of = cells[done].groupby(row[done]).size()
    found = []
    for name in FIGURES:
        partial = counts[name][(counts[name] > 0) & (counts[name] < of)]
        found += [(number, f"{name}: n={count}") for number, count in partial.items()]
    return found  # type: ignore[return-value]


def _fewer_views(cells: pd.DataFrame, row: pd.Series[int]) -> list[tuple[int, str]]:
    fewer = cells["fewer"] != ""
    found = cells.loc[fewer, "fewer"].groupby(row[fewer]).first()
    return list(found.items())  # type: ignore[arg-type]
