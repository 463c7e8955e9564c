"""The best and the second best figure of each table: what is set in bold and underlined."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import GROUP

BEST, SECOND, OTHER = 1, 2, 0
# The budget, and costs that no method is after.
_NO_LEAD = ("train_s", "setup_s", "prepare_s", "total_train_s")
LEADING = tuple(n for n, about in FIGURES.items() if about.better and n not in _NO_LEAD)


def standing(board: pd.DataFrame, name: str, by: Sequence[str] = GROUP) -> pd.Series[int]:
    """Return per row BEST, SECOND or OTHER of a figure of LEADING, within groups of `by` (one group
    for none).

    Rows that are there only as parents do not take part. Nothing leads where all rows are equal,
    and nothing is second where only two values are. Figures that are equal as tables write them
    are equal here.
    """
    values = board[name].astype(float).map(FIGURES[name].shown)
    if "role" in board:
        values = values.where(board["role"] == "row")
    sign = -1.0 if FIGURES[name].better == "higher" else 1.0
    groups = [board[column] for column in by] or [pd.Series(0, index=board.index)]
    rank = (sign * values).groupby(groups, dropna=False).rank(method="dense")
    several = rank.groupby(groups, dropna=False).transform("max")
    place = pd.Series(OTHER, index=board.index)
    place[(rank == 1) & (several > 1)] = BEST
    place[(rank == 2) & (several > 2)] = SECOND
    return place
