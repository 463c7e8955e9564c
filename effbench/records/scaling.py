"""The leaderboard's table of rows that several ranks trained."""

from __future__ import annotations

import pandas as pd
from tabulate import tabulate

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import spaced
from effbench.analysis.scaling import scaling

LEGEND = """\
A step of N ranks has the batch of one rank's. Speed-up: mean time of a step of one rank over that \
of N; efficiency: speed-up over N, 100 % where N ranks are N times as fast. Their peak and saved \
memory are the first rank's alone."""


def section(rows: pd.DataFrame) -> list[str]:
    """Return the parts of a page about one scene's rows; none where one rank trained each."""
    cells = [
        [
            spaced(row["method"], row["variant"]).replace("|", "\\|"),
            str(row["ranks"]),
            FIGURES["iter_ms_mean"].write(row["iter_ms_mean"]),
            "" if pd.isna(row["speedup"]) else f"{row['speedup']:.2f}",
            "" if pd.isna(row["efficiency"]) else f"{row['efficiency']:.0%}",
        ]
        for row in scaling(rows).to_dict("records")
        if pd.notna(row["iter_ms_mean"])
    ]
    if not cells:
        return []
    headings = ["row", "ranks", "iteration ms", "speed-up", "efficiency"]
    align = ["left", *["right"] * (len(headings) - 1)]
    page = tabulate(cells, headings, tablefmt="github", colalign=align, disable_numparse=True)
    return ["### By ranks", page, LEGEND]
