"""What a run says of a paper's claims: rows against their baselines, next to what was published."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from effbench.analysis import comparison
from effbench.analysis.identity import CONDITIONS, label
from effbench.analysis.measures import CLAIMED, MEASURES
from effbench.analysis.paper import Claim, Paper, Selector
from effbench.analysis.statistics import Summary
from effbench.analysis.time_to_quality import speedup

LEAST_PAIRS = 3
COLUMNS = (
    *("suite", "scene", "budget", "device", "method", "variant", "baseline", "measure"),
    *("n", "mean", "std", "low", "high", "bound", "missing"),
    *("paper_mean", "paper_low", "paper_high", "verdict", "reason"),
)


@dataclass(frozen=True)
class Published:
    """A paper's own figures of one measure: mean and range over its scenes and times, and the
    means after each time in minutes, where they differ."""

    mean: float
    low: float
    high: float
    scenes: int = 0
    by_minutes: tuple[tuple[float, float], ...] = ()


def table(paper: Paper) -> pd.DataFrame:
    """Return the paper's own table."""
    return pd.DataFrame(paper.rows)


def published(paper: Paper, claim: Claim, scene: str = "") -> Published:
    """Return what the paper reports of a claim, of one scene of its table or (default) of all; a
    speed-up is interpolated in its table."""
    if claim.columns is None:
        assert claim.stated is not None
        return Published(claim.stated, claim.stated, claim.stated)
    own, other = claim.columns
    frame = table(paper)
    frame = frame[frame["scene"] == scene] if scene else frame
    scenes = frame["scene"].nunique()
    if claim.measure == "speedup":
        values = pd.Series([_speedup(rows, own, other) for _, rows in frame.groupby("scene")])
        return _range(values, scenes)
    ratio = MEASURES[claim.measure].neutral == 1
    values = frame[own] / frame[other] if ratio else frame[own] - frame[other]
    means = values.groupby(frame["minutes"]).mean()
    times = tuple(zip(map(float, means.index), map(float, means), strict=True))
    return replace(_range(values, scenes), by_minutes=times if means.nunique() > 1 else ())


def verdict(paper: Paper, cells: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return COLUMNS: a row per compared row, baseline and measure.

    mean, std, low, high: over n pairs, see `statistics.Summary`; missing: repetitions without a
    pair and why; paper_*: what the paper reports, for rows its claims are about; verdict: "agree",
    "differ" or "cannot tell", with a reason. A scene of the paper's table is judged by its figures
    there, others by those of all. A baseline that was not run has rows with n = 0.
    """
    rows: list[dict[str, Any]] = []
    for about, group in cells.groupby([*CONDITIONS]) if len(cells) else ():
        common = dict(zip(CONDITIONS, about, strict=True))
        entries = [_Entry(own) for _, own in group.groupby(["method", "settings"])]
        for entry in entries:
            compared = _compare(paper, str(common["scene"]), entry, entries, curves)
            rows += [{**common, **row} for row in compared]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def judge(measure: str, found: Summary, claimed: Published | None, budget: str) -> tuple[str, str]:
    """Return the verdict on a claim, and why. No claim, no verdict.

    "agree": better than the baseline beyond noise, and the 95 % interval reaches the worst of the
    paper's own figures. "differ": worse beyond noise, or a smaller effect than that. Otherwise
    "cannot tell".
    """
    if claimed is None:
        return "", ""
    about = MEASURES[measure]
    if measure == "psnr_gain" and budget.endswith("it"):
        return "cannot tell", "budgets are iterations, not time"
    if found.n < LEAST_PAIRS:
        return "cannot tell", f"n = {found.n}, {LEAST_PAIRS} pairs are needed"
    if found.bound == "not reached":
        if found.unreached < found.n:
            return "cannot tell", f"not reached in {found.unreached} of {found.n} repetitions"
        return "differ", "the baseline's PSNR was never reached"
    sign = 1 if about.better == "higher" else -1
    worst, best = sorted((sign * (found.low - about.neutral), sign * (found.high - about.neutral)))
    if worst <= 0 <= best:
        return "cannot tell", "the difference is within noise"
    if best < 0:
        return "differ", "worse than the baseline"
    least = min(sign * (claimed.low - about.neutral), sign * (claimed.high - about.neutral))
    if best < least:
        return "differ", "better than the baseline, but less than the paper reports anywhere"
    return "agree", ""


class _Entry:
    """The cells of one method with one set of parameters, under common conditions."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self.cells = cells
        self.done = cells[cells["status"] == "ok"]
        first = cells.iloc[0]
        self.method, self.variant = str(first["method"]), str(first["variant"])
        self.params: dict[str, Any] = json.loads(first["settings"])
        self.budget = str(first["budget"])

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
    return [
        {
            **_about(subject, str(baseline), measure, claims.get(measure)),
            **{key: getattr(summary, key) for key in ("n", "mean", "std", "low", "high", "bound")},
            "missing": missing,
            **_judged(measure, summary, claims.get(measure), subject.budget),
        }
        for measure, summary in found.items()
    ]


def _unpaired(
    subject: _Entry, selector: Selector, claims: Mapping[str, Published]
) -> list[dict[str, Any]]:
    reason = f"no {selector} under the same conditions"
    return [
        {
            **_about(subject, str(selector), measure, claims.get(measure)),
            "n": 0,
            "bound": "",
            "missing": reason,
            "verdict": "cannot tell" if measure in claims else "",
            "reason": reason if measure in claims else "",
        }
        for measure in CLAIMED
    ]


def _about(subject: _Entry, baseline: str, measure: str, claim: Published | None) -> dict[str, Any]:
    claimed = claim or Published(math.nan, math.nan, math.nan)
    return {
        "method": subject.method,
        "variant": subject.variant,
        "baseline": baseline,
        "measure": measure,
        "paper_mean": claimed.mean,
        "paper_low": claimed.low,
        "paper_high": claimed.high,
    }


def _judged(measure: str, found: Summary, claimed: Published | None, budget: str) -> dict[str, str]:
    return dict(zip(("verdict", "reason"), judge(measure, found, claimed, budget), strict=True))


def _missing(subject: _Entry, baseline: _Entry) -> list[str]:
    """Name the repetitions that have no pair, with who lacks them and why."""
    both = pd.concat([subject.cells, baseline.cells])
    lacking = []
    for repetition in sorted(both["repetition"].unique()):
        for entry in (subject, baseline):
            if (state := entry.state(repetition)) != "ok":
                lacking.append(f"repetition {repetition} of {entry} is {state}")
    return lacking


def _range(values: pd.Series[float], scenes: int) -> Published:
    return Published(float(values.mean()), float(values.min()), float(values.max()), scenes)


def _speedup(rows: pd.DataFrame, own: str, other: str) -> float:
    """Return the speed-up on one scene of the paper's table, minutes in the place of seconds."""
    curve, baseline = (
        pd.DataFrame({"train_s": rows["minutes"], "psnr": rows[column]}) for column in (own, other)
    )
    return speedup(curve, baseline)[0]
