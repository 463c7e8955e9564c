"""One figure of all rows on all scenes: a line per row, a column per scene, mean, mean rank."""

from __future__ import annotations

import pandas as pd

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import label
from effbench.errors import ConfigError

GROUP = ("suite", "budget", "device")
FIXED = (*GROUP, "method", "variant")
LAST = ("mean", "mean_rank", "scenes", "n")


def matrix(board: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return FIXED, a column per scene, and LAST, for each suite, budget and device.

    board: `tables.leaderboard`, parents left out. mean: unweighted over the scenes, mean_rank: of
    ranks from 1 (the best) among the rows that have all scenes, equal ones sharing their mean rank;
    both NaN for a row that lacks a scene, or for a figure without a better direction (the rank).
    scenes: how many the row has; n: cells that finished. Sorted by mean rank, then mean. Raises
    ConfigError for a figure that no row has, and where a scene has two rows of one name.
    """
    rows = board[(board["role"] == "row") & board[figure].notna()]
    if rows.empty:
        raise ConfigError(f"no row has a {figure}: choose another figure")
    twice = rows.duplicated([*FIXED, "scene"], keep=False)
    if twice.any():
        first = rows[twice].iloc[0]
        raise ConfigError(
            f"'{label(first['method'], first['variant'])}' on {first['scene']} is several rows "
            "(their marks say how they differ): name the folder of one run, or use --where"
        )
    scenes = sorted(set(rows["scene"]))
    wide = rows.pivot(index=[*FIXED], columns="scene", values=figure).astype(float)[scenes]
    parts = [_with_means(part, figure) for _, part in wide.groupby(level=[*GROUP])]
    found = pd.concat(parts)
    found["n"] = rows.groupby([*FIXED])["n"].sum().reindex(found.index).astype(int)
    higher = FIGURES[figure].better == "higher"
    found = found.reset_index()
    # The mean first: a stable sort by rank then keeps it as the second key, in its own direction.
    found = found.sort_values("mean", ascending=not higher, kind="stable")
    order = [*GROUP, "mean_rank"]
    return found.sort_values(order, kind="stable", ignore_index=True)[[*FIXED, *scenes, *LAST]]


def _with_means(part: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return a group's rows with LAST but n; scenes that none of them has are not asked for."""
    known = part.dropna(axis="columns", how="all")
    whole = known.dropna()
    better = FIGURES[figure].better
    ranks = whole.rank(ascending=better == "lower").mean(axis=1) if better else None
    return part.assign(
        mean=whole.mean(axis=1).reindex(part.index),
        mean_rank=float("nan") if ranks is None else ranks.reindex(part.index),
        scenes=part.notna().sum(axis=1),
    )
