"""Parameters that were swept: numbers that differ between rows of one method."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from effbench.analysis.identity import GROUP

_PREFIX = "param."


@dataclass(frozen=True)
class Sweep:
    """rows: of the leaderboard, with `value` (the parameter's) and `setting`, the variant without
    the parameter, added; settings: all of these, sorted."""

    method: str
    parameter: str
    rows: pd.DataFrame

    @property
    def settings(self) -> list[str]:
        return sorted(set(self.rows["setting"]))


def sweeps(board: pd.DataFrame) -> Iterator[Sweep]:
    """Yield a sweep per method and numeric parameter that takes several values with all other
    settings equal, from rows of `tables.leaderboard` that have a result."""
    done = board[board["n"] > 0]
    for method, own in done.groupby("method"):
        for column in (name for name in own if str(name).startswith(_PREFIX)):
            parameter = str(column).removeprefix(_PREFIX)
            values = pd.to_numeric(own[column], errors="coerce")
            rows = own.assign(
                value=values, setting=[_without(v, parameter) for v in own["variant"]]
            ).dropna(subset=["value"])
            several = rows.groupby([*GROUP, "setting"])["value"].transform("nunique") > 1
            if several.any():
                yield Sweep(str(method), parameter, rows[several])


def _without(variant: str, parameter: str) -> str:
    """Return a variant like "a=1,width=64" without one of its parameters."""
    kept = [part for part in variant.split(",") if not re.match(rf"{re.escape(parameter)}=", part)]
    return ",".join(kept)
