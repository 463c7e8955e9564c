"""What a run says of a paper's claims: rows against their baselines, next to what was published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from effbench.analysis import comparison
from effbench.analysis.claims import Judgement, Published, published
from effbench.analysis.identity import CONDITIONS, label
from effbench.analysis.measures import CLAIMED
from effbench.analysis.paper import Paper, Selector
from effbench.analysis.pooling import judged_rows, pooled, reported

COLUMNS = (
    *("suite", "scene", "budget", "device", "method", "variant", "baseline", "measure"),
    *("n", "mean", "std", "low", "high", "bound", "missing"),
    *("paper_mean", "paper_low", "paper_high", "verdict", "reason"),
    *("claim_low", "claim_high", "p", "needed", "test"),
)


def verdict(paper: Paper, cells: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return COLUMNS: a row per compared row, baseline and measure.

    mean, std, low, high, test: over n pairs, see `statistics.Summary`; missing: repetitions without
    a pair and why; paper_*: what the paper reports, for rows its claims are about and the baseline
    that it used; claim_low, claim_high: what counts as the claimed effect; verdict: CONFIRMED,
    CONTRADICTED, OPEN or "" for none, with a reason; p: of the verdict, adjusted by Holm over the
    row's claims; needed: seeds that would decide what is open. A scene of the paper's table is
    judged by its figures there, others by those of all. Where several scenes were run, claims on a
    mean over scenes are judged on that as well, with scenes as the sample: `scene` is then "mean of
    3 scenes". A baseline that was not run has rows with n = 0.
    """
    rows: list[dict[str, Any]] = []
    for about, group in cells.groupby([*CONDITIONS]) if len(cells) else ():
        common = dict(zip(CONDITIONS, about, strict=True))
        entries = [_Entry(own) for _, own in group.groupby(["method", "settings"])]
        for entry in entries:
            compared = _compare(paper, str(common["scene"]), entry, entries, curves)
            rows += [{**common, **row} for row in compared]
    rows += pooled(paper, rows)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"needed": "Int64"})


class _Entry:
    """The cells of one method with one set of parameters, under common conditions."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self.cells = cells
        self.done = cells[cells["status"] == "ok"]
        first = cells.iloc[0]
        self.method, self.variant = str(first["method"]), str(first["variant"])
        self.params: dict[str, Any] = json.loads(first["settings"])
        self.budget, self.device = str(first["budget"]), str(first["device"])

    def __str__(self) -> str:
        return label(self.method, self.variant)

    def state(self, repetition: int) -> str:
        """Return "ok", another status, or "not run"."""
        own = self.cells[self.cells["repetition"] == repetition]["status"]
        return str(own.iloc[0]) if len(own) else "not run"


def _compare(
    paper: Paper, scene: str, subject: _Entry, entries: Sequence[_Entry], curves: pd.DataFrame
) -> list[dict[str, Any]]:
    chosen = paper.comparison(subject.method, subject.params)
    if chosen is None:
        return []
    about = any(one.matches(subject.method, subject.params) for one in chosen.claimed)
    own = paper.scene(scene)
    claims = {c.measure: published(paper, c, own) for c in paper.claims} if about else {}
    rows = []
    for selector in chosen.baselines:
        if selector.matches(subject.method, subject.params):
            break  # a baseline is compared with those before it, not with itself or both ways
        for baseline in _nearest(subject, selector, entries):
            rows += _rows(subject, baseline, claims, curves)
        if not any(selector.matches(e.method, e.params) for e in entries):
            rows += _unpaired(subject, selector, claims)
        claims = {}  # what the paper claims, it claims against the first
    return rows


def _nearest(subject: _Entry, selector: Selector, entries: Sequence[_Entry]) -> list[_Entry]:
    """Return the baselines that a selector names; of several, those with the fewest parameters
    that differ from the subject's, so that a grid over both is compared value by value."""
    found = [e for e in entries if selector.matches(e.method, e.params)]
    shared = [e.params.keys() & subject.params.keys() for e in found]
    distance = [
        sum(e.params[key] != subject.params[key] for key in keys)
        for e, keys in zip(found, shared, strict=True)
    ]
    return [e for e, d in zip(found, distance, strict=True) if d == min(distance)]


def _rows(
    subject: _Entry,
    baseline: _Entry,
    claims: Mapping[str, Published],
    curves: pd.DataFrame,
) -> list[dict[str, Any]]:
    found = comparison.compare(subject.done, baseline.done, curves)
    missing = "; ".join(_missing(subject, baseline))
    about = {"method": subject.method, "variant": subject.variant, "baseline": str(baseline)}
    judged = judged_rows(found, claims, subject.budget, subject.device)
    return [{**about, **row, "missing": missing} for row in judged]


def _unpaired(
    subject: _Entry, selector: Selector, claims: Mapping[str, Published]
) -> list[dict[str, Any]]:
    reason = f"no {selector} under the same conditions"
    about = {"method": subject.method, "variant": subject.variant, "baseline": str(selector)}
    nothing = {"n": 0, "bound": "", "missing": reason}
    return [
        {
            **about,
            "measure": measure,
            **nothing,
            **reported(claims.get(measure)),
            **vars(Judgement("", f"no verdict: {reason}" if measure in claims else "")),
        }
        for measure in CLAIMED
    ]


def _missing(subject: _Entry, baseline: _Entry) -> list[str]:
    """Name the repetitions that have no pair, with who lacks them and why."""
    both = pd.concat([subject.cells, baseline.cells])
    lacking = []
    for repetition in sorted(both["repetition"].unique()):
        for entry in (subject, baseline):
            if (state := entry.state(repetition)) != "ok":
                lacking.append(f"repetition {repetition} of {entry} is {state}")
    return lacking
