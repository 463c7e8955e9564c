"""The share of samples that rows skip beside the one that a source reports."""

from __future__ import annotations

import pandas as pd
from tabulate import tabulate

from effbench.analysis.identity import ENTRY, GROUP, spaced
from effbench.analysis.paper import Skipped

_LEGEND = """\
Samples per ray: those that are trained on, at the end of training. Skipped: the share of the \
samples that the same march would place if it knew nothing of where the field is empty that are \
not among them, by the occupancy grid, early termination and compaction."""


def of_rows(cells: pd.DataFrame) -> pd.DataFrame:
    """Return GROUP, ENTRY, n, samples_per_ray and skipped per row of finished cells that have
    samples per ray, means over seeds, the largest share of a scene first."""
    known = cells[cells["samples_per_ray"].notna()]
    rows = known.groupby([*GROUP, *ENTRY], sort=False).agg(
        n=("samples_per_ray", "size"),
        samples_per_ray=("samples_per_ray", "mean"),
        skipped=("skipped", "mean"),
    )
    return rows.reset_index().sort_values(
        [*GROUP, "skipped"], ascending=[True] * len(GROUP) + [False], ignore_index=True
    )


def section(reported: Skipped, rows: pd.DataFrame) -> str:
    """Return rows of `of_rows` as a part of a page, beside what is reported; "" for no rows."""
    if rows.empty:
        return ""
    headings = ["scene", "row", "seeds", "samples/ray", "skipped %"]
    cells = [
        [
            *(row["scene"], spaced(row["method"], row["variant"]), f"n={row['n']}"),
            *(f"{row['samples_per_ray']:.1f}", percent(row["skipped"])),
        ]
        for row in rows.to_dict("records")
    ]
    align = ("left", "left", "right", "right", "right")
    page = tabulate(cells, headings, tablefmt="github", disable_numparse=True, colalign=align)
    return "\n\n".join(["## Samples skipped", f"{claim(reported)}.", page, _LEGEND]) + "\n"


def claim(reported: Skipped) -> str:
    """Return what is reported, with its scene."""
    return f"Reported: up to {reported.share:.0%} of samples skipped, on {reported.scene}".replace(
        "%", " %"
    )


def span(reported: Skipped, scene: str, rows: pd.DataFrame) -> str:
    """Return from which to which share the rows of one scene skip; "" where none is known."""
    known = rows.dropna(subset=["skipped"]).sort_values("skipped")
    if known.empty:
        return ""
    ends = [known.iloc[0], known.iloc[-1]]
    told = [
        f"{percent(row['skipped'])} % ({spaced(row['method'], row['variant'])})" for row in ends
    ]
    other = "" if scene.partition(" ")[0] == reported.scene else "; another scene than reported"
    return " to ".join(dict.fromkeys(told)) + other


def percent(share: float) -> str:
    """Return a share in percent with one decimal; "" for NaN."""
    return "" if pd.isna(share) else f"{100 * share:.1f}"
