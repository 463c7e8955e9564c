"""What others have published of a scene beside a run's rows on it, and how the two differ.

A difference in PSNR is given only where images, views and background are the same; budget and
hardware never are, and are said. For papers whose table has a row per system and scene.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tabulate import tabulate

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import GROUP, label
from effbench.analysis.paper import Paper
from effbench.analysis.side_by_side import heading, notes

# Columns of the paper's table. method: ours that does the same, or empty; scene: "family/name", or
# "family/mean" of all; seconds of training, and the budget where it is one of iterations; size:
# "800×800", or "÷4" of the photographs; views that are evaluated, empty for the split's own.
PUBLISHED = (
    *("system", "method", "scene", "psnr", "ssim", "lpips_vgg", "seconds", "budget"),
    *("hardware", "size", "views", "background"),
)
_SHOWN = ("psnr", "ssim", "lpips_vgg")
COLUMNS = (
    *(*GROUP, "system", "method", "variant", "n", *_SHOWN, "seconds", "hardware"),
    *("anchor_psnr", "difference", "differs"),
)
_LEGEND = """\
Ours first, then what was published of the same scene. Δ is the difference in PSNR from the system \
of the same kind, given only where image size, evaluated views and background are the same. \
Budgets and hardware are not, so that it says how far a run is from published quality, not which \
code is better."""


@dataclass(frozen=True)
class Protocol:
    """How a run saw a scene: pixels of its images ("400×400"), evaluated and all test views,
    background ("white", "black", "" for a capture's own). None for what its records do not say."""

    size: str | None = None
    views: int | None = None
    all_views: int | None = None
    background: str | None = None


def concerns(paper: Paper, scene: str) -> bool:
    """Return whether a paper's table has a scene, "family/name"."""
    return any(row["scene"] == scene for row in paper.rows)


def beside(paper: Paper, board: pd.DataFrame, protocols: Mapping[str, Protocol]) -> pd.DataFrame:
    """Return COLUMNS: per scene that the paper has, the rows of a leaderboard, then its systems'.

    system: empty for ours; seconds: of training; anchor_psnr: the PSNR of the system of the same
    kind, several: of the first; difference: from it in dB, where the protocols match; differs: how
    they do not, "; " between. protocols: by a scene's label in the leaderboard.
    """
    rows: list[dict[str, Any]] = []
    for values, group in board.groupby([*GROUP], sort=False):
        common = dict(zip(GROUP, values, strict=True))
        theirs = [r for r in paper.rows if r["scene"] == str(common["scene"]).partition(" ")[0]]
        protocol = protocols.get(str(common["scene"]), Protocol())
        if theirs:
            ours = group.sort_values("psnr", ascending=False).to_dict("records")
            rows += [{**common, **_ours(entry, theirs, protocol)} for entry in ours]
            rows += [{**common, **_theirs(row, protocol)} for row in theirs]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def differences(published: Mapping[str, Any], own: Protocol) -> list[str]:
    """Return how a published figure's images are not those of a run; [] where they are the same.
    What the records do not say differs."""
    found = []
    size = published["size"]
    if size and own.size != size:
        found.append(f"images of {size}, ours {own.size or 'unknown'}")
    whole = published["views"] or own.all_views
    if own.views is None or own.views != whole:
        views = "all test views" if not published["views"] else f"{int(published['views'])} views"
        found.append(f"{views}, ours {'unknown' if own.views is None else own.views}")
    background = published["background"]
    if background and own.background != background:
        found.append(f"{background} background, ours {own.background or 'unknown'}")
    return found


def to_markdown(paper: Paper, frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the page of `beside`; `problems` are listed at its end."""
    parts = [heading(paper)]
    if frame.empty:
        scenes = ", ".join(dict.fromkeys(str(row["scene"]) for row in paper.rows))
        parts.append(f"These records have no scene of {scenes}.")
    for values, rows in frame.groupby([*GROUP], sort=False):
        suite, scene, budget, device = values
        conditions = f"Ours: budget {budget}" + (f" on {device}." if device else ".")
        headings, cells = table(rows)
        align = ["left"] * 2 + ["right"] * (len(headings) - 3) + ["left"]
        page = tabulate(cells, headings, tablefmt="github", disable_numparse=True, colalign=align)
        parts += [f"## {suite} · {scene}", conditions, page, *differing(rows)]
    if not frame.empty:
        parts.append(_LEGEND)
    parts += notes(paper)
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def table(rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of one scene's rows of `beside`."""
    headings = [
        "row",
        "seeds",
        *(FIGURES[name].heading for name in _SHOWN),
        "Δ dB",
        "train s",
        "on",
    ]
    return headings, [_cells(row) for row in rows.to_dict("records")]


def differing(rows: pd.DataFrame) -> list[str]:
    """Return a paragraph of what differs from each published protocol of one scene's rows."""
    theirs = rows[rows["system"] != ""]
    lines = [
        f"* {'; '.join(own['system'])}: {str(differs) or 'the same images, views and background'}"
        for differs, own in theirs.groupby("differs", sort=False)
    ]
    return ["What differs, besides budget and hardware:\n\n" + "\n".join(lines)]


def _ours(
    entry: Mapping[Any, Any], theirs: Sequence[Mapping[str, Any]], protocol: Protocol
) -> dict[str, Any]:
    same = [row for row in theirs if row["method"] == entry["method"]]
    equal = [row for row in same if not differences(row, protocol)]
    anchor = next(iter(equal or same), None)
    value = math.nan if anchor is None else float(anchor["psnr"])
    return {
        **{"system": "", "method": entry["method"], "variant": entry["variant"], "n": entry["n"]},
        **{name: entry.get(name, math.nan) for name in _SHOWN},
        "seconds": entry.get("train_s", math.nan),
        "hardware": entry["device"],
        "anchor_psnr": value,
        "difference": entry["psnr"] - value if equal else math.nan,
        "differs": "; ".join(differences(anchor, protocol)) if anchor else "",
    }


def _theirs(row: Mapping[str, Any], protocol: Protocol) -> dict[str, Any]:
    return {
        **{"system": row["system"], "method": row["method"] or "", "variant": "", "n": 0},
        **{name: math.nan if row[name] is None else row[name] for name in _SHOWN},
        "seconds": math.nan if row["seconds"] is None else row["seconds"],
        "hardware": row["hardware"] or "",
        "differs": "; ".join(differences(row, protocol)),
    }


def _cells(row: Mapping[Any, Any]) -> list[str]:
    name = row["system"] or f"**{label(row['method'], str(row['variant']).replace(',', ', '))}**"
    seeds = "" if row["system"] else f"n={row['n']}"
    figures = ["" if pd.isna(row[x]) else FIGURES[x].write(row[x]) for x in _SHOWN]
    gain = "" if pd.isna(row["difference"]) else f"{row['difference']:+.2f}"
    seconds = "" if pd.isna(row["seconds"]) else f"{row['seconds']:,.0f}"
    return [name, seeds, *figures, gain, seconds, str(row["hardware"])]
