"""The rows that the regression gate compares: their seeds, conditions and reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from effbench.analysis.identity import GROUP, label
from effbench.errors import ConfigError, unknown
from effbench.report.gate.snapshot import Snapshot
from effbench.report.gate.tolerances import CHECKS

Key = tuple[str, ...]


class OtherHardware(ConfigError):
    """The two sides of a check were made on different hardware."""


@dataclass
class Row:
    """One side of a row: its cells, and those that finished, by repetition.

    relative: timed figure to its ratios to the reference's in the same repetition; empty for the
    reference itself, whose durations stand for themselves.
    """

    cells: pd.DataFrame
    done: pd.DataFrame
    is_reference: bool = False
    relative: dict[str, pd.Series[float]] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The method with its variant, as tables show it."""
        first = self.cells.iloc[0]
        return label(first["method"], first["variant"])

    @property
    def label(self) -> str:
        return f"{self.method} on {self.cells['scene'].iloc[0]}"

    @property
    def condition(self) -> tuple[str, ...]:
        """What a row shares with the reference that its durations are divided by."""
        first = self.cells.iloc[0]
        return tuple(str(first[name]) for name in GROUP)


# What cells of one row have in common, unless a folder holds several runs.
_SAME = {
    "settings": "sets of parameters",
    "manifest": "versions of the scene's files",
    "eval_views": "numbers of test views",
    "device": "devices",
    "threads": "numbers of threads",
}


def with_device(candidate: Snapshot, baseline: Snapshot) -> Snapshot:
    """Return the candidate with cells that failed before their device was known on the only one
    that there is."""
    known = {*candidate.cells["device"], *baseline.cells["device"]} - {""}
    if len(known) != 1:
        return candidate
    named = candidate.cells["device"].replace("", known.pop())
    return replace(candidate, cells=candidate.cells.assign(device=named))


def check_hardware(candidate: Snapshot, baseline: Snapshot, allowed: bool) -> list[str]:
    """Refuse hardware that differs, or note it where that is allowed."""
    new, old = (sorted(set(s.cells["device"])) for s in (candidate, baseline))
    threads = [sorted({int(t) for t in s.cells["threads"].dropna()}) for s in (candidate, baseline)]
    if set(new) & set(old) and threads[0] == threads[1]:
        return []
    described = [
        f"{' and '.join(names)} ({' or '.join(map(str, counts)) or 'unknown'} threads)"
        for names, counts in zip((new, old), threads, strict=True)
    ]
    if not allowed:
        raise OtherHardware(
            f"other hardware: {candidate.source} was made on {described[0]}, {baseline.source} on "
            f"{described[1]}: run the baseline on the same machine, or pass --allow-hardware to "
            "compare all the same"
        )
    return [
        f"other hardware: {described[0]}, the baseline on {described[1]}; training for the same "
        "time is not the same training there, and the reference's own times are not compared"
    ]


def other_software(candidate: Snapshot, baseline: Snapshot) -> list[str]:
    """Return a note on versions of Python and libraries that differ: a change of a figure may be
    theirs. A library that only one side names was not there, or not recorded yet."""
    new, old = (_versions(side.provenance) for side in (candidate, baseline))
    differ = [
        f"{name} {_either(new[name])}, the baseline with {_either(old[name])}"
        for name in new
        if name in old and new[name] != old[name]
    ]
    return [f"other versions: {'; '.join(differ)}"] if differ else []


def _either(versions: set[str]) -> str:
    return " or ".join(sorted(versions))


def _versions(provenance: dict[str, Any]) -> dict[str, set[str]]:
    """Return the versions that cells were made with, by name; several where cells differ."""
    found: dict[str, set[str]] = {}
    python, packages = provenance.get("python"), provenance.get("packages")
    named = [
        *({"python": version} for version in (python if isinstance(python, list) else [python])),
        *(packages if isinstance(packages, list) else [packages]),
    ]
    for versions in named:
        for name, version in (versions or {}).items():
            if version:
                found.setdefault(name, set()).add(str(version))
    return found


def split(snapshot: Snapshot, by: Sequence[str]) -> dict[Key, Row]:
    """Return a snapshot's rows by their key. Raises ConfigError if cells of one do not agree."""
    rows = {}
    for key, cells in snapshot.cells.groupby(list(by), sort=False):
        done = cells[cells["status"] == "ok"].set_index("repetition").sort_index()
        row = rows[tuple(map(str, key))] = Row(cells, done)
        for column, what in _SAME.items():
            values = (done if len(done) else cells)[column].dropna()
            if values.nunique() > 1:
                raise ConfigError(
                    f"{snapshot.source}: {row.label} was run with {values.nunique()} {what}: "
                    "name one run's folder"
                )
    return rows


def choose_reference(
    new: Mapping[Key, Row], old: Mapping[Key, Row], preferred: Sequence[str]
) -> str:
    """Return the row that durations are divided by: the first of `preferred` with results wherever
    there are any, on both sides; else the only such row, or the only one without a variant; "" if
    there is none that nobody would have to guess."""
    complete = []
    for side in (new, old):
        finished = [row for row in side.values() if len(row.done)]
        had: dict[str, set[tuple[str, ...]]] = {}
        for row in finished:
            had.setdefault(row.method, set()).add(row.condition)
        wanted = {row.condition for row in finished}
        complete.append({method for method, found in had.items() if found == wanted})
    both = complete[0] & complete[1]
    for name in preferred:
        if name in both:
            return name
    for choice in (both, {method for method in both if " " not in method}):
        if len(choice) == 1:
            return next(iter(choice))
    return ""


def divide(rows: Mapping[Key, Row], reference: str) -> None:
    """Set `is_reference` and `relative` of every row; without a reference every row is its own.

    Raises ConfigError if no row is the reference's.
    """
    references = {row.condition: row for row in rows.values() if row.method == reference}
    if reference and not references:
        raise unknown("--reference", reference, {row.method for row in rows.values()})
    for row in rows.values():
        other = references.get(row.condition)
        row.is_reference = other is row or not reference
        for name, figure in CHECKS.items():
            if figure.timed and not row.is_reference:
                base = pd.Series(dtype=float) if other is None else other.done[name]
                row.relative[name] = (row.done[name] / base).dropna()
