"""What a paper claims, in figures, and whether a run's rows confirm it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from effbench.analysis.equivalence import LEVEL, MOST_SEEDS, Region
from effbench.analysis.measures import MEASURES
from effbench.analysis.paper import Claim, Paper
from effbench.analysis.significance import holm
from effbench.analysis.statistics import Summary
from effbench.analysis.time_to_quality import speedup

LEAST = 3  # seeds of a scene, or scenes
UNITS = {"paired": "seeds", "unpaired": "seeds", "scenes": "scenes"}  # by the test
CONFIRMED, CONTRADICTED, OPEN = "confirmed", "contradicted", "open"
_GPU = re.compile(r"nvidia|geforce|rtx|tesla|radeon|gpu|cuda", re.IGNORECASE)


@dataclass(frozen=True)
class Published:
    """A paper's own figures of one measure: mean and range over its scenes and times, and the
    means after each time in minutes, where they differ. region: what counts as the claimed effect;
    gpu: it is about a GPU's memory; per_time: it is about equal wall-clock time."""

    mean: float
    low: float
    high: float
    scenes: int = 0
    by_minutes: tuple[tuple[float, float], ...] = ()
    region: Region | None = None
    gpu: bool = False
    per_time: bool = False


def table(paper: Paper) -> pd.DataFrame:
    """Return the paper's own table."""
    return pd.DataFrame(paper.rows)


def published(paper: Paper, claim: Claim, scene: str = "") -> Published:
    """Return what the paper reports of a claim, of one scene of its table or (default) of all; a
    speed-up is interpolated in its table. Of a claim without a figure its numbers are NaN."""
    found = _reported(paper, claim, scene)
    about = MEASURES[claim.measure]
    if claim.has_figure:
        region = Region.around(found.mean, claim.margin, about.kind)
    else:
        region = Region.beyond(claim.margin, about.kind, about.better)
    per_time = claim.measure == "psnr_gain"
    return replace(found, region=region, gpu=claim.gpu, per_time=per_time)


def _reported(paper: Paper, claim: Claim, scene: str) -> Published:
    if claim.columns is None:
        stated = math.nan if claim.stated is None else claim.stated
        return Published(stated, stated, stated)
    own, other = claim.columns
    frame = table(paper)
    frame = frame[frame["scene"] == scene] if scene else frame
    scenes = frame["scene"].nunique()
    if claim.measure == "speedup":
        values = pd.Series([_speedup(rows, own, other) for _, rows in frame.groupby("scene")])
        return _range(values, scenes, "ratio")
    kind = MEASURES[claim.measure].kind
    values = frame[own] / frame[other] if kind == "ratio" else frame[own] - frame[other]
    means = values.groupby(frame["minutes"]).agg(_mean_of(kind))
    times = tuple(zip(map(float, means.index), map(float, means), strict=True))
    found = _range(values, scenes, kind)
    return replace(found, by_minutes=times if means.nunique() > 1 else ())


@dataclass(frozen=True)
class Judgement:
    """What is said of a claim ("" for nothing), and why; p: adjusted; needed: seeds, or scenes,
    that would decide."""

    verdict: str
    reason: str = ""
    p: float = math.nan
    needed: int | None = None


def judge(
    found: Mapping[str, Summary], claims: Mapping[str, Published], budget: str, device: str
) -> dict[str, Judgement]:
    """Return what is said of each claim, by measure. No claim, no verdict.

    CONFIRMED: the 95 % interval lies inside the claim's margin; CONTRADICTED: it lies outside;
    otherwise OPEN. Both at p-values adjusted by Holm over those of a row's claims that can be
    tested. With fewer than LEAST there is no verdict.
    """
    said = {m: _untestable(found[m], claim, budget, device) for m, claim in claims.items()}
    tested = {m: claim.region for m, claim in claims.items() if said[m] is None and claim.region}
    inside = [region.p_inside(found[m]) for m, region in tested.items()]
    outside = [region.p_outside(found[m]) for m, region in tested.items()]
    adjusted = zip(inside, outside, holm(inside), holm(outside), strict=True)
    for (measure, region), p in zip(tested.items(), adjusted, strict=True):
        said[measure] = _told(measure, found[measure], region, tuple(map(float, p)), len(tested))
    return {measure: judgement for measure, judgement in said.items() if judgement}


def _untestable(own: Summary, claim: Published, budget: str, device: str) -> Judgement | None:
    """Return what is said of a claim without a test; None where it can be tested."""
    units = UNITS[own.test]
    if claim.gpu and not _GPU.search(device):
        return Judgement(OPEN, "a claim about GPU memory, measured on a CPU")
    if claim.per_time and budget.endswith("it"):
        return Judgement(OPEN, "budgets are iterations, not time")
    if own.n < LEAST:
        return Judgement("", f"no verdict: n = {own.n}, {LEAST} {units} are needed")
    if own.bound == "not reached":
        if own.unreached < own.n or (claim.region and claim.region.low < 1):
            return Judgement(OPEN, f"not reached in {own.unreached} of {own.n} {units}")
        return Judgement(CONTRADICTED, "the baseline's PSNR was never reached")
    return None


def _told(
    measure: str, found: Summary, region: Region, p: tuple[float, ...], tests: int
) -> Judgement:
    """Return what the p-values of a claim say: inside and outside, then the same adjusted."""
    raw, inside, outside = min(p[:2]), p[2], p[3]
    if inside <= LEVEL:
        return Judgement(CONFIRMED, "", inside)
    if outside <= LEVEL:
        return Judgement(CONTRADICTED, _how(measure, found, region), outside)
    if found.bound:
        return Judgement(OPEN, "only a lower bound is known", min(inside, outside))
    needed = region.seeds_needed(found, LEVEL / tests)
    count = f"more than {MOST_SEEDS:,}" if needed is None else f"about {needed:,}"
    where = (
        f"one of {tests} claims, for which this interval is too wide (Holm)"
        if raw <= LEVEL
        else "the interval crosses the margin"
    )
    reason = f"{where}; {count} {UNITS[found.test]} would decide"
    return Judgement(OPEN, reason, min(inside, outside), needed)


def _how(measure: str, found: Summary, region: Region) -> str:
    """Return in which way an effect is not the claimed one."""
    about = MEASURES[measure]
    higher = about.better == "higher"
    if region.one_sided:
        worse = found.high < about.neutral if higher else found.low > about.neutral
        return "worse than without it" if worse else "no gain beyond the margin"
    if (found.mean > region.high) == higher:
        return "better than the claim"
    worse = found.high < about.neutral if higher else found.low > about.neutral
    return "worse than the baseline" if worse else "a smaller effect than the paper's"


def _range(values: pd.Series[float], scenes: int, kind: str) -> Published:
    mean = _mean_of(kind)(values)
    return Published(float(mean), float(values.min()), float(values.max()), scenes)


def _mean_of(kind: str) -> Callable[[pd.Series[float]], float]:
    """Return the mean of differences, the geometric mean of ratios."""
    if kind == "ratio":
        return lambda values: float(np.exp(np.log(values).mean()))
    return lambda values: float(values.mean())


def _speedup(rows: pd.DataFrame, own: str, other: str) -> float:
    """Return the speed-up on one scene of the paper's table, minutes in the place of seconds."""
    curve, baseline = (
        pd.DataFrame({"train_s": rows["minutes"], "psnr": rows[column]}) for column in (own, other)
    )
    return speedup(curve, baseline)[0]
