"""Cells whose machine was slower than for the others, or had other work: marked, never dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

TOLERANCE = 0.05  # of time or speed; a figure that is off by less than this is noise

# Columns of a table of cells that tell: parts of time, and the speed of the machine's probe
PARTS = {
    "waiting": "waited {:.0%} of its time for a processor",
    "steal": "lost {:.0%} of its time to other machines",
    "throttled": "was stopped by a quota for {:.0%} of its time",
}
_NEIGHBOURS = "shared the machine's memory with {} on its other processors"
COLUMNS = (*PARTS, "probed", "alone", "neighbours")


def facts(machine: Mapping[str, Any], provenance: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return COLUMNS of a record: the largest part of time that training or a probe lost, the
    speed of the slowest probe, whether the cell was alone on its device, and how many cells were at
    work beside it on the machine's others."""
    if not machine:  # of an earlier version
        return (None, None, None, None, provenance.get("alone"), None)
    probes = [machine.get(name) or {} for name in ("before", "after")]
    probes += machine.get("between") or []
    waits = [machine.get("waiting"), *(each.get("waiting") for each in probes)]
    waiting = max((part for part in waits if part is not None), default=None)
    parts = (waiting, machine.get("steal"), machine.get("throttled"))
    beside = machine.get("neighbours")
    return (*parts, machine.get("speed"), provenance.get("alone"), beside)


def relative_speed(cells: pd.DataFrame) -> pd.Series[float]:
    """Return the speed of each cell's machine over the median of the cells on the same device."""
    median = cells.groupby("device")["probed"].transform("median")
    speed: pd.Series[float] = cells["probed"] / median
    return speed


def marks(cells: pd.DataFrame) -> pd.Series[str]:
    """Return how each cell was disturbed, in words; "" for not at all."""
    found = pd.Series("", cells.index, dtype=object)
    slow = relative_speed(cells)
    for index in cells.index[_suspect(cells, slow)]:
        found[index] = "; ".join(_reasons(cells.loc[index], slow[index]))
    return found


def _suspect(cells: pd.DataFrame, slow: pd.Series[float]) -> pd.Series[bool]:
    """Return which cells have a mark; the words are made for those alone."""
    lost = cells[list(PARTS)].max(axis=1) > TOLERANCE
    suspect: pd.Series[bool] = lost | (slow < 1 - TOLERANCE) | (cells["alone"] == 0)
    suspect |= cells["neighbours"] > 0
    return suspect


def _reasons(cell: pd.Series[Any], speed: float) -> Iterable[str]:
    if cell["alone"] == 0:
        yield "another cell ran beside it"
    if cell["neighbours"] > 0:
        yield _NEIGHBOURS.format(int(cell["neighbours"]))
    for name, text in PARTS.items():
        if cell[name] > TOLERANCE:
            yield text.format(cell[name])
    if speed < 1 - TOLERANCE:
        yield f"the machine ran at {speed:.2f} of its usual speed"


def by_cell(
    rows: Sequence[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]], *, planned: bool = False
) -> dict[str, list[str]]:
    """Return the marks of disturbed cells by id, given each cell's id, device, machine group and
    provenance. planned: whether cells on other processors are meant to be there, and no mark."""
    table = pd.DataFrame(
        [(name, device, *facts(machine, made)) for name, device, machine, made in rows],
        columns=["cell_id", "device", *COLUMNS],
    )
    table = table.astype(dict.fromkeys(COLUMNS, float))
    if planned:
        table["neighbours"] = 0.0
    found = marks(table)
    return {
        name: mark.split("; ") for name, mark in zip(table["cell_id"], found, strict=True) if mark
    }
