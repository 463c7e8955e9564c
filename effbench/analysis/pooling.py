"""Rows of a verdict: summaries of measures and what is said of claims on them; over scenes too.

Where a claim is a mean over scenes, it is judged on the mean over those of the run. Scenes are the
unit: each gives one value, the mean over its seeds, and the interval is of the mean of these values
(Student's t over scenes). So it holds for scenes like these, not for these scenes alone, and the
noise of seeds is part of the spread between scenes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from effbench.analysis.claims import Judgement, Published, judge, published
from effbench.analysis.equivalence import Region
from effbench.analysis.measures import MEASURES
from effbench.analysis.paper import Paper
from effbench.analysis.statistics import Summary, summarise, summarise_ratios

Row = Mapping[str, Any]
_KEY = ("suite", "budget", "device", "method", "variant", "baseline")
_FIGURES = ("n", "mean", "std", "low", "high", "bound", "test")


def judged_rows(
    found: Mapping[str, Summary], claims: Mapping[str, Published], budget: str, device: str
) -> list[dict[str, Any]]:
    """Return a row per measure: its summary, the claim on it, and what is said of that."""
    said = judge(found, claims, budget, device)
    return [
        {
            "measure": measure,
            **{key: getattr(summary, key) for key in _FIGURES},
            **reported(claims.get(measure)),
            **vars(said.get(measure, Judgement(""))),
        }
        for measure, summary in found.items()
    ]


def reported(claim: Published | None) -> dict[str, float]:
    """Return the columns of what the paper reports, NaN where it claims nothing."""
    nan = math.nan
    claim = claim or Published(nan, nan, nan)
    region = claim.region or Region(nan, nan, "difference")
    paper = {"paper_mean": claim.mean, "paper_low": claim.low, "paper_high": claim.high}
    return {**paper, "claim_low": region.low, "claim_high": region.high}


def pooled(paper: Paper, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as of `verdict.verdict` of the claims that are means over the paper's scenes, on
    the mean over the scenes of these rows; none of rows of a single scene."""
    claims = {c.measure: published(paper, c) for c in paper.claims if c.columns}
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["measure"] in claims and not math.isnan(row["paper_mean"]):
            groups.setdefault(tuple(str(row[name]) for name in _KEY), []).append(row)
    made = []
    for key, own in groups.items():
        scenes = {row["scene"] for row in own}
        if len(scenes) < 2:
            continue
        common = dict(zip(_KEY, key, strict=True))
        about = {**common, "scene": f"mean of {len(scenes)} scenes"}
        missing = "; ".join(
            dict.fromkeys(f"{r['scene']}: {r['missing']}" for r in own if r["missing"])
        )
        found = {m: over_scenes(m, [row for row in own if row["measure"] == m]) for m in claims}
        judged = judged_rows(found, claims, common["budget"], common["device"])
        made += [{**about, **row, "missing": missing} for row in judged]
    return made


def over_scenes(measure: str, rows: Sequence[Row]) -> Summary:
    """Return the summary of a measure's means, one per scene; a scene whose mean is a bound makes
    the whole one."""
    known = [row for row in rows if row["n"]]
    unreached = sum(row["bound"] == "not reached" for row in known)
    nan = math.nan
    if unreached:
        return Summary(len(known), nan, nan, nan, nan, "not reached", unreached, test="scenes")
    means = [float(row["mean"]) for row in known]
    take = summarise_ratios if MEASURES[measure].kind == "ratio" else summarise
    whole = replace(take(means), test="scenes")
    return replace(whole, high=math.inf, bound=">") if any(r["bound"] for r in known) else whole
