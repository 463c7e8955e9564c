"""Lines of a regression check: the seeds of both sides, figure by figure, not yet judged."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import CHECKED
from effbench.analysis.significance import LEAST_SEEDS, Array
from effbench.report.gate import equal_iterations
from effbench.report.gate.options import Options, Verdict
from effbench.report.gate.rows import Key, Row
from effbench.report.gate.tolerances import CHECKS, DRIFT

ROUNDING = 1e-8  # a baseline file has ten digits


@dataclass
class Line:
    """One line of the table. old, new: the seeds of either side, as they are; copied: whether
    every seed changed by the same amount, which is no noise but the same training again; moved:
    by how much the change is another than measured, since it is taken at equal iterations; doubt:
    the standard error of that, dB; growth, less: what it was moved by, dB per e-fold iterations and
    the logarithm of the candidate's iterations over the baseline's."""

    key: Key
    figure: str
    verdict: Verdict = "within noise"
    reason: str = ""
    tolerance: float = math.nan
    old: Array | None = None
    new: Array | None = None
    copied: bool = False
    moved: float = 0.0
    doubt: float = 0.0
    growth: float = math.nan
    less: float = 0.0
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
        judged |= {"moved": self.moved, "doubt": self.doubt}
        change = {"change": self.change if both else math.nan, "tolerance": self.tolerance}
        return {**about, "figure": self.figure, **sides, **change, **judged}


def compare(key: Key, old: Row | None, new: Row | None, options: Options) -> list[Line]:
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
    if name == "psnr" and not options.as_measured and equal_iterations.is_timed(old.condition[2]):
        _correct(line, old, new)
    line.copied = list(was.index) == list(now.index) and _is_shifted(line)
    return line


def _correct(line: Line, old: Row, new: Row) -> None:
    """Take a line's PSNR at the baseline's iterations; `allow_for_doubt` comes when all are."""
    before = seeds_of(line.old), seeds_of(line.new)
    was, now = (_array(s.dropna()) for s in equal_iterations.correct(old.done, new.done))
    if not (len(was) and len(now)):
        return
    line.old, line.new = was, now
    line.moved = equal_iterations.moved(before, (was, now))
    line.growth = equal_iterations.growth_of(old.done, new.done)
    if not math.isnan(line.growth):
        was_done, now_done = (np.log(side.done["iterations"]).mean() for side in (old, new))
        line.less = float(now_done - was_done)


def allow_for_doubt(lines: Sequence[Line]) -> None:
    """Set the doubt in every line that is taken at equal iterations: rows' curves are doubted by
    what all of them say."""
    moved = [line for line in lines if not math.isnan(line.growth)]
    found = equal_iterations.doubt(
        np.array([line.growth for line in moved]), np.array([line.less for line in moved])
    )
    for line, doubt in zip(moved, found, strict=True):
        line.doubt = float(doubt)


def _array(values: pd.Series[float]) -> Array:
    return np.asarray(values, float)


def _is_shifted(line: Line) -> bool:
    """Return whether the two sides' seeds, in the same order, differ by one amount."""
    old, new = (tested(line.figure, seeds_of(side), 1) for side in (line.old, line.new))
    steps = new - old
    limit = ROUNDING * max(1.0, float(np.abs(old).max()))
    return len(steps) >= LEAST_SEEDS and float(np.ptp(steps)) <= limit


def _failures(cells: pd.DataFrame) -> str:
    """Return "diverged 2/3 seeds: the loss is nan"."""
    counts = cells["status"].value_counts()
    seeds = ", ".join(f"{count}× {status}" for status, count in counts.items())
    reasons = [" ".join(str(r).split()) for r in cells["reason"] if r]
    return f"{seeds}: {reasons[0]}" if reasons else seeds


def changed_params(old: Row | None, new: Row | None) -> list[str]:
    if old is None or new is None:
        return []
    was, now = (json.loads(side.cells["settings"].iloc[0]) for side in (old, new))
    changes = [
        f"{name} {was.get(name, 'unset')} → {now.get(name, 'unset')}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    return [f"{new.label}: parameters differ: {', '.join(changes)}"] if changes else []


def tested(figure: str, values: Array, sign: int) -> Array:
    """Return the values on the scale that is tested, where lower is worse (sign 1)."""
    scaled = np.log(values) if CHECKS[figure].kind == "ratio" else values
    return np.asarray(sign * sign_of(figure) * scaled, float)


def sign_of(figure: str) -> int:
    """Return 1 for a figure of which more is better, else −1."""
    return 1 if FIGURES[figure].better == "higher" else -1


def seeds_of(values: Array | None) -> Array:
    """Return a side that is known to be there."""
    assert values is not None
    return values
