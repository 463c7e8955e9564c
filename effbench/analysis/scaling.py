"""What several ranks gain over one: rows that differ in nothing but the number of ranks.

A step of N ranks has the batch of one rank's. With T_N, the mean duration of a step, the speed-up
is T_1 / T_N and the efficiency (T_1 / T_N) / N: 1 where N ranks are N times as fast.
"""

from __future__ import annotations

import re

import pandas as pd

from effbench.analysis.identity import ASKED, FOUND

COLUMNS = ("ranks", "iter_ms_mean", "speedup", "efficiency")
_RANKS = re.compile(r"(?:^|,)ranks=(\d+)$")
_SAME = [name for name in (*ASKED, *FOUND) if name not in ("variant", "settings", "code")]


def ranks_of(variant: str) -> int:
    """Return how many ranks train a row, by its variant: the last that one says."""
    found = _RANKS.search(variant)
    return int(found[1]) if found else 1


def without_ranks(variant: str) -> str:
    """Return a row's variant but for the number of its ranks."""
    return _RANKS.sub("", variant)


def scaling(board: pd.DataFrame) -> pd.DataFrame:
    """Return method, variant and COLUMNS of the rows of `tables.leaderboard` that several ranks
    trained; speed-up and efficiency are NaN without exactly one row of one rank to hold them
    against."""
    done = board[board["n"] > 0]
    rows = done.assign(
        ranks=[ranks_of(v) for v in done["variant"]],
        plain=[without_ranks(v) for v in done["variant"]],
    )
    same = [*(name for name in _SAME if name in rows), "plain"]
    alone = rows[rows["ranks"] == 1].drop_duplicates(same, keep=False)
    base = alone[[*same, "iter_ms_mean"]].rename(columns={"iter_ms_mean": "alone"})
    found = rows[rows["ranks"] > 1].merge(base, on=same, how="left")
    found["speedup"] = found["alone"] / found["iter_ms_mean"]
    found["efficiency"] = found["speedup"] / found["ranks"]
    return found[["method", "variant", *COLUMNS]]
