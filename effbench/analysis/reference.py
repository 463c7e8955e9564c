"""Which row the others are compared with, when nobody says."""

from __future__ import annotations

from collections import Counter

from effbench.analysis import paper
from effbench.analysis.statistics import is_baseline
from effbench.errors import ConfigError
from effbench.records import results
from effbench.records.record import Record
from effbench.records.results import Results
from effbench.records.tables import cells


def choose(found: Results, name: str | None = None) -> str | None:
    """Return the baseline's label, "method" or "method variant"; None where there is none.

    That is `name`, if given; else the first baseline of the paper that the plan tests; else the
    row from which most others start; else the row without settings of its own that has most
    cells. Raises ConfigError for a name that is no row of these results.
    """
    if name is not None:
        if found.records:
            is_baseline(cells(found.records), name)
        return name
    done = [cell for cell in found.records if cell.status == "ok"]
    return _of_papers(found, done) or _of_parents(done) or _plainest(done)


def label(cell: Record) -> str:
    """Return a row's name as `statistics.is_baseline` takes it."""
    return f"{cell.method} {cell.variant}".strip()


def _of_papers(found: Results, done: list[Record]) -> str | None:
    """Return the row that a paper's comparisons name first for most rows."""
    for name in results.papers(found):
        try:
            tested = paper.load(name)
        except ConfigError:  # a paper that this version does not know
            continue
        named: Counter[str] = Counter()
        for cell in done:
            comparison = tested.comparison(cell.method, cell.params)
            for selector in comparison.baselines[:1] if comparison else ():
                named.update({label(c) for c in done if selector.matches(c.method, c.params)})
        if named:
            return _most(named)
    return None


def _of_parents(done: list[Record]) -> str | None:
    by_id = {cell.cell_id: cell for cell in done}
    started = Counter(
        label(by_id[parent]) for cell in done for parent in cell.parents.values() if parent in by_id
    )
    return _most(started)


def _plainest(done: list[Record]) -> str | None:
    plain = Counter(label(cell) for cell in done if not cell.variant)
    return _most(plain)


def _most(counted: Counter[str]) -> str | None:
    """Return the most frequent name, of equals the first of the alphabet; None for none."""
    return min(counted, key=lambda name: (-counted[name], name), default=None)
