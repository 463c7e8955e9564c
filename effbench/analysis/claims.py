"""What a paper claims, in figures, and whether a run's rows confirm it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from effbench.analysis.equivalence import LEVEL, Region
from effbench.analysis.measures import MEASURES
from effbench.analysis.paper import Claim, Paper
from effbench.analysis.significance import holm
from effbench.analysis.statistics import Summary
from effbench.analysis.time_to_quality import speedup

LEAST_PAIRS = 3
CONFIRMED, CONTRADICTED, OPEN = "confirmed", "contradicted", "open"
_GPU = re.compile(r"nvidia|geforce|rtx|tesla|radeon|gpu|cuda", re.IGNORECASE)


@dataclass(frozen=True)
class Published:
    """A paper's own figures of one measure: mean and range over its scenes and times, and the
    means after each time in minutes, where they differ; what counts as the claimed effect, and
    whether that is about a GPU's memory."""

    mean: float
    low: float
    high: float
    scenes: int = 0
    by_minutes: tuple[tuple[float, float], ...] = ()
    region: Region | None = None
    gpu: bool = False


def table(paper: Paper) -> pd.DataFrame:
    """Return the paper's own table."""
    return pd.DataFrame(paper.rows)


def published(paper: Paper, claim: Claim, scene: str = "") -> Published:
    """Return what the paper reports of a claim, of one scene of its table or (default) of all; a
    speed-up is interpolated in its table."""
    found = _reported(paper, claim, scene)
    region = Region.around(found.mean, claim.margin, MEASURES[claim.measure].kind)
    return replace(found, region=region, gpu=claim.gpu)


def _reported(paper: Paper, claim: Claim, scene: str) -> Published:
    if claim.columns is None:
        assert claim.stated is not None
        return Published(claim.stated, claim.stated, claim.stated)
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
    """What is said of a claim, and why; p: adjusted; needed: seeds that would decide."""

    verdict: str
    reason: str = ""
    p: float = math.nan
    needed: int | None = None


def judge(
    found: Mapping[str, Summary], claims: Mapping[str, Published], budget: str, device: str
) -> dict[str, Judgement]:
    """Return what is said of each claim, by measure. No claim, no verdict.

    CONFIRMED: the 95 % interval lies inside the claim's margin; CONTRADICTED: it lies outside;
    otherwise OPEN. p-values are adjusted by Holm over the claims that can be tested.
    """
    said = {measure: _untestable(measure, found, claim, budget, device)
            for measure, claim in claims.items()}  # fmt: skip
    tested = {m: claim.region for m, claim in claims.items() if said[m] is None and claim.region}
    inside = holm([region.p_inside(found[m]) for m, region in tested.items()])
    outside = holm([region.p_outside(found[m]) for m, region in tested.items()])
    for (measure, region), p_in, p_out in zip(tested.items(), inside, outside, strict=True):
        said[measure] = _told(measure, found[measure], region, float(p_in), float(p_out), len(said))
    return {measure: judgement for measure, judgement in said.items() if judgement}


def _untestable(
    measure: str, found: Mapping[str, Summary], claim: Published, budget: str, device: str
) -> Judgement | None:
    """Return why a claim cannot be tested; None where it can."""
    own = found[measure]
    if claim.gpu and not _GPU.search(device):
        return Judgement(OPEN, "a claim about a GPU's memory, measured on a CPU")
    if measure == "psnr_gain" and budget.endswith("it"):
        return Judgement(OPEN, "budgets are iterations, not time")
    if own.n < LEAST_PAIRS:
        return Judgement("", f"no verdict: n = {own.n}, {LEAST_PAIRS} are needed")
    if own.bound == "not reached":
        if own.unreached < own.n:
            reason = f"not reached in {own.unreached} of {own.n} repetitions"
            return Judgement(OPEN, reason)
        return Judgement(CONTRADICTED, "the baseline's PSNR was never reached")
    return None


def _told(
    measure: str, found: Summary, region: Region, p_in: float, p_out: float, claims: int
) -> Judgement:
    if p_in <= LEVEL:
        return Judgement(CONFIRMED, "", p_in)
    if p_out <= LEVEL:
        return Judgement(CONTRADICTED, _how(measure, found, region), p_out)
    if found.bound:
        return Judgement(OPEN, "only a lower bound is known", min(p_in, p_out))
    needed = region.seeds_needed(found, LEVEL / claims)
    seeds = "more than 1,000 seeds" if needed is None else f"about {needed} seeds"
    reason = f"the interval crosses the claim's margin; {seeds} would decide"
    return Judgement(OPEN, reason, min(p_in, p_out), needed)


def _how(measure: str, found: Summary, region: Region) -> str:
    """Return in which way an effect is not the claimed one."""
    about = MEASURES[measure]
    higher = about.better == "higher"
    if (found.mean > region.high) == higher:
        return "a larger effect than the paper's"
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
