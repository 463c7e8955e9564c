"""Which row the others are compared with, when nobody says: the same for pages, pictures and the
regression check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from effbench.analysis import paper
from effbench.analysis.identity import label
from effbench.errors import ConfigError, unknown


@dataclass(frozen=True)
class Finished:
    """A finished cell, as far as the choice needs it. parents: labels of rows it starts from."""

    method: str
    variant: str
    params: Mapping[str, Any]
    parents: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return label(self.method, self.variant)


def choose(done: Sequence[Finished], declared: str = "", papers: Sequence[str] = ()) -> str | None:
    """Return the baseline's label, "method" or "method variant"; None where there is none.

    done: in the order in which they were run. That is the row that the suite declares; else the
    first baseline of the first of the papers that the plans test; else the row from which most
    others start; else, of the rows without settings of their own that have most cells, the one
    that was run first: what a user names first.
    """
    if declared and any(declared in (cell.label, cell.method) for cell in done):
        return declared
    return _of_papers(done, papers) or _of_parents(done) or _plainest(done)


def _of_papers(done: Sequence[Finished], papers: Sequence[str]) -> str | None:
    """Return the row that a paper's comparisons name first for most rows."""
    for name in papers:
        try:
            tested = paper.load(name)
        except ConfigError:  # a paper that this version does not know
            continue
        named: Counter[str] = Counter()
        for cell in done:
            comparison = tested.comparison(cell.method, cell.params)
            for selector in comparison.baselines[:1] if comparison else ():
                own = (c.label for c in done if selector.matches(c.method, c.params))
                named.update(dict.fromkeys(own).keys())
        if named:
            return _most(named)
    return None


def _of_parents(done: Sequence[Finished]) -> str | None:
    return _most(Counter(parent for cell in done for parent in cell.parents))


def _plainest(done: Sequence[Finished]) -> str | None:
    return _most(Counter(cell.label for cell in done if not cell.variant))


def _most(counted: Counter[str]) -> str | None:
    """Return the most frequent name, of equals the one that came first; None for none."""
    return max(counted, key=lambda name: counted[name], default=None)


def is_baseline(cells: pd.DataFrame, baseline: str) -> pd.Series[bool]:
    """Return which cells are the named baseline's: "method", or "method variant" as tables show it.

    Raises ConfigError, naming what there is, if no cell is.
    """
    labels = (cells["method"] + " " + cells["variant"]).str.strip()
    chosen: pd.Series[bool] = labels == baseline
    if not chosen.any():
        chosen = cells["method"] == baseline
    if not chosen.any():
        raise unknown("baseline", baseline, set(labels))
    return chosen


def ambiguous(baseline: str, cells: pd.DataFrame) -> ConfigError:
    """Return the error for a baseline that is several rows under equal conditions."""
    labels = sorted(set((cells["method"] + " " + cells["variant"]).str.strip()))
    if len(labels) == 1:
        return ConfigError(
            f"baseline '{baseline}' was run with several sets of parameters: name one run's folder"
        )
    return ConfigError(f"baseline '{baseline}' is several rows: name one of {', '.join(labels)}")
