"""The regression gate: is a run worse than a baseline, beyond noise and beyond a tolerance?

Rows (suite, method, variant, scene, budget, device) are compared figure by figure over their
seeds. docs/regression.md explains the tests and what they can see.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from effbench.analysis import significance
from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import CHECKED
from effbench.analysis.significance import LEAST_SEEDS, Test
from effbench.report.gate import rows
from effbench.report.gate.rows import Key, Row
from effbench.report.gate.snapshot import Snapshot
from effbench.report.gate.tolerances import CHECKS, DRIFT

Verdict = Literal["regressed", "improved", "within noise", "missing", "new"]
VERDICTS: tuple[Verdict, ...] = ("regressed", "missing", "improved", "new", "within noise")
COLUMNS = (
    *(*CHECKED, "figure", "verdict", "baseline", "baseline_std", "baseline_n"),
    *("candidate", "candidate_std", "candidate_n", "change", "tolerance", "p", "reason"),
)
_ROUNDING = 1e-8  # a baseline file has ten digits
ALPHA = 0.01  # false alarms per check


@dataclass(frozen=True)
class Options:
    """tolerances: figure to what it may lose, in its unit or as a part (0.1: 10 %). reference: the
    method, or "method variant", that durations are divided by; "" chooses one."""

    tolerances: Mapping[str, float]
    reference: str = ""
    test: Test = "moderated"
    alpha: float = ALPHA
    allow_hardware: bool = False


@dataclass(frozen=True)
class Report:
    """table: COLUMNS, what matters most first. notes: what a reader should know besides."""

    table: pd.DataFrame
    notes: list[str]
    options: Options
    sources: tuple[str, str]  # candidate, baseline
    unreadable: int = 0  # records of the candidate that were left out

    @property
    def counts(self) -> dict[str, int]:
        """Verdict to its number of lines, in the order of VERDICTS."""
        return {name: int((self.table["verdict"] == name).sum()) for name in VERDICTS}

    @property
    def status(self) -> int:
        """The exit status: 1 for a regression, else 2 for something missing, else 0."""
        if self.counts["regressed"]:
            return 1
        return 2 if self.counts["missing"] or self.unreadable else 0


def check(candidate: Snapshot, baseline: Snapshot, options: Options) -> Report:
    """Compare a candidate's rows with a baseline's.

    Raises ConfigError where a comparison would mean nothing: other hardware (unless allowed), a
    row with several parameters on one side, an unknown reference. Raises RecordError for a
    baseline with records that cannot be read.
    """
    if baseline.unreadable:
        raise baseline.unreadable[0]
    candidate = rows.with_device(candidate, baseline)
    notes = rows.check_hardware(candidate, baseline, options.allow_hardware)
    row = [name for name in CHECKED if name != "device" or not options.allow_hardware]
    new, old = (rows.split(s, row) for s in (candidate, baseline))
    reference = options.reference or rows.choose_reference(
        new, old, [candidate.reference, baseline.reference]
    )
    options = replace(options, reference=reference)
    rows.divide(new, reference)
    rows.divide(old, reference)
    lines: list[Line] = []
    for key in dict.fromkeys([*old, *new]):
        lines += _compare(key, old.get(key), new.get(key), options)
        notes += _changed_params(old.get(key), new.get(key))
    judge(lines, options)
    frame = pd.DataFrame([line.cells(row) for line in lines], columns=list(COLUMNS))
    rank = frame["verdict"].map(VERDICTS.index)
    frame = frame.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
    notes += [f"left out: {error}" for error in candidate.unreadable]
    sources = (candidate.source, baseline.source)
    return Report(frame, notes, options, sources, len(candidate.unreadable))


@dataclass
class Line:
    """One line of the table. old, new: the seeds of either side, as they are; copied: whether
    every seed changed by the same amount, which is no noise but the same training again."""

    key: Key
    figure: str
    verdict: Verdict = "within noise"
    reason: str = ""
    tolerance: float = math.nan
    old: significance.Array | None = None
    new: significance.Array | None = None
    copied: bool = False
    p: float = math.nan

    @property
    def testable(self) -> bool:
        sizes = [0 if side is None else len(side) for side in (self.old, self.new)]
        return min(sizes) >= LEAST_SEEDS

    @property
    def change(self) -> float:
        """The change of the mean: in the figure's unit, or as a part of the baseline's."""
        assert self.old is not None
        assert self.new is not None
        if CHECKS[self.figure].kind == "difference":
            return float(self.new.mean() - self.old.mean())
        return float(np.exp(np.log(self.new).mean() - np.log(self.old).mean()) - 1)

    def cells(self, row: Sequence[str]) -> dict[str, Any]:
        """Return the line as COLUMNS; figures as they are, not on the scale that is tested."""
        about = dict.fromkeys(CHECKED, "") | dict(zip(row, self.key, strict=True))
        sides: dict[str, Any] = {}
        for name, side in (("baseline", self.old), ("candidate", self.new)):
            found = np.zeros(0) if side is None else side
            sides[name] = found.mean() if len(found) else math.nan
            sides[f"{name}_std"] = found.std(ddof=1) if len(found) > 1 else math.nan
            sides[f"{name}_n"] = len(found)
        both = min(sides["baseline_n"], sides["candidate_n"]) > 0
        judged = {"verdict": self.verdict, "p": self.p, "reason": self.reason}
        change = {"change": self.change if both else math.nan, "tolerance": self.tolerance}
        return {**about, "figure": self.figure, **sides, **change, **judged}


def _compare(key: Key, old: Row | None, new: Row | None, options: Options) -> list[Line]:
    """Return the lines of a row, without verdicts on figures that both sides have."""
    if old is None or not len(old.done):
        why = "" if old is None else "the baseline has no finished seed"
        found = new is not None and len(new.done) > 0
        return [Line(key, "", "new", why)] if found else []
    if new is None or not len(new.done):
        return [Line(key, "", "missing", _failures(new.cells) if new else "not run")]
    for name in ("manifest", "eval_views"):
        was, now = old.done[name].iloc[0], new.done[name].iloc[0]
        if not (pd.isna(was) and pd.isna(now)) and str(was) != str(now):
            return [Line(key, "", "missing", _OTHER[name].format(was=was, now=now))]
    lines = []
    lost = new.cells[(new.cells["status"] != "ok") & new.cells["repetition"].isin(old.done.index)]
    if len(lost):
        lines.append(Line(key, "", "missing", _failures(lost)))
    for name, tolerance in options.tolerances.items():
        if name in CHECKS and (line := _line(key, name, old, new, tolerance, options)):
            lines.append(line)
    return lines


_OTHER = {
    "manifest": "not comparable: the scene's files differ",
    "eval_views": "not comparable: evaluated on {now} test views, the baseline on {was}",
}


def _line(
    key: Key, name: str, old: Row, new: Row, tolerance: float, options: Options
) -> Line | None:
    """Return a figure's line, or None if the baseline does not have it."""
    figure = CHECKS[name]
    absolute = figure.timed and old.is_reference
    if absolute and (options.allow_hardware or DRIFT not in options.tolerances):
        return None
    if absolute:
        tolerance = options.tolerances[DRIFT]
    was, now = (
        side.relative[name] if name in side.relative else side.done[name].dropna()
        for side in (old, new)
    )
    if figure.kind == "ratio":  # logarithms are tested
        was, now = was[was > 0], now[now > 0]
    measured = [bool(side.done[name].notna().any()) for side in (old, new)]
    if not measured[0]:
        return None
    if not measured[1]:
        return Line(key, name, "missing", "not measured", tolerance, _array(was))
    line = Line(key, name, tolerance=tolerance, old=_array(was), new=_array(now))
    line.copied = list(was.index) == list(now.index) and _is_shifted(line)
    return line


def _array(values: pd.Series[float]) -> significance.Array:
    return np.asarray(values, float)


def _is_shifted(line: Line) -> bool:
    """Return whether the two sides' seeds, in the same order, differ by one amount."""
    old, new = (_tested(line.figure, _side(side), 1) for side in (line.old, line.new))
    steps = new - old
    limit = _ROUNDING * max(1.0, float(np.abs(old).max()))
    return len(steps) >= LEAST_SEEDS and float(np.ptp(steps)) <= limit


def _failures(cells: pd.DataFrame) -> str:
    """Return "diverged 2/3 seeds: the loss is nan"."""
    counts = cells["status"].value_counts()
    seeds = ", ".join(f"{count}× {status}" for status, count in counts.items())
    reasons = [" ".join(str(r).split()) for r in cells["reason"] if r]
    return f"{seeds}: {reasons[0]}" if reasons else seeds


def _changed_params(old: Row | None, new: Row | None) -> list[str]:
    if old is None or new is None:
        return []
    was, now = (json.loads(side.cells["settings"].iloc[0]) for side in (old, new))
    changes = [
        f"{name} {was.get(name, 'unset')} → {now.get(name, 'unset')}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    return [f"{new.label}: parameters differ: {', '.join(changes)}"] if changes else []


def judge(lines: Sequence[Line], options: Options) -> None:
    """Set the verdict, p and reason of every line that has figures on both sides."""
    compared = [x for x in lines if x.old is not None and x.new is not None]
    tested = [x for x in compared if x.testable]
    worse, better = (_adjusted(tested, options.test, sign) for sign in (1, -1))
    for line in compared:
        if not line.testable:
            seeds = f"{len(_side(line.new))} against {len(_side(line.old))} seeds"
            line.reason = (
                f"cannot tell: n too small ({seeds}, {LEAST_SEEDS} are needed on each side)"
            )
    for line, p_worse, p_better in zip(tested, worse, better, strict=True):
        loss = -_sign(line.figure) * line.change
        line.p = float(p_worse if loss > 0 else p_better)
        if line.p > options.alpha:
            line.reason = "not significant" if abs(loss) > line.tolerance else ""
        elif abs(loss) <= line.tolerance:
            line.reason = "significant, but within the tolerance"
        else:
            line.verdict = "regressed" if loss > 0 else "improved"


def _adjusted(lines: Sequence[Line], test: Test, sign: int) -> list[float]:
    """Return p-values that figures are not worse (sign 1) or not better (−1), corrected so that the
    chance of any false alarm in the whole check stays below the level.

    The rows of a figure are one family, whose variances say something of each other: Holm's
    correction is over those that vary, Bonferroni's over the figures that have such rows.
    """
    p = np.ones(len(lines))
    families = []
    for name in dict.fromkeys(line.figure for line in lines):
        own = np.array([i for i, line in enumerate(lines) if line.figure == name])
        old = [_tested(name, _side(lines[i].old), sign) for i in own]
        new = [_tested(name, _side(lines[i].new), sign) for i in own]
        p[own] = significance.p_values(old, new, test)
        noisy = significance.varies(old, new) & ~np.array([lines[i].copied for i in own])
        if noisy.any():
            families.append(own[noisy])
    for family in families:
        p[family] = np.minimum(len(families) * significance.holm(p[family]), 1.0)
    for i, line in enumerate(lines):
        if line.copied:
            p[i] = 0.0 if sign * _sign(line.figure) * line.change < -_ROUNDING else 1.0
    return [float(value) for value in p]


def _tested(figure: str, values: significance.Array, sign: int) -> significance.Array:
    """Return the values on the scale that is tested, where lower is worse (sign 1)."""
    scaled = np.log(values) if CHECKS[figure].kind == "ratio" else values
    return np.asarray(sign * _sign(figure) * scaled, float)


def _sign(figure: str) -> int:
    return 1 if FIGURES[figure].better == "higher" else -1


def _side(values: significance.Array | None) -> significance.Array:
    assert values is not None
    return values
