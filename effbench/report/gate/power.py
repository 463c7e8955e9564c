"""What a check can see: how surely it would find a loss of 0.3 dB, by its own seeds' spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from effbench.analysis import significance
from effbench.analysis.identity import CHECKED
from effbench.analysis.significance import Array
from effbench.report.gate import equal_iterations
from effbench.report.gate.lines import Line, seeds_of
from effbench.report.gate.options import Options
from effbench.report.gate.snapshot import Snapshot
from effbench.report.gate.testing import shares
from effbench.report.gate.tolerances import CHECKS

LOSS_DB = 0.3
WANTED_IN_ONE, WANTED_IN_ALL = 0.80, 0.95  # of the checks, a loss in one row, in every row
_DRAWS = 200
_MOST_SEEDS = 100
_SPARE = 0.06  # by which the normal approximation of `_needed` is too hopeful


@dataclass(frozen=True)
class Power:
    """rows: that vary; seeds: the fewest of a side; in_one, in_all: the share of checks that would
    find LOSS_DB in one row, in every row; needed: about how many seeds on either side would do,
    None for more than 100."""

    rows: int
    seeds: int
    in_one: float
    in_all: float
    needed: int | None

    @property
    def suffices(self) -> bool:
        """Whether both shares are what is wanted."""
        return self.in_one >= WANTED_IN_ONE and self.in_all >= WANTED_IN_ALL

    def __str__(self) -> str:
        one = f"in one of {self.rows} rows " if self.rows > 1 else ""
        every = f", in all of them in {_share(self.in_all)}" if self.rows > 1 else ""
        found = f"a loss of {LOSS_DB} dB {one}would be found in {_share(self.in_one)} of checks"
        found += every
        if self.suffices:
            return found
        most = f"more than {_MOST_SEEDS}" if self.needed is None else f"about {self.needed}"
        return (
            f"{found}: too few to rely on. With this spread {most} seeds on either side are needed "
            f"for {_share(WANTED_IN_ONE)} and {_share(WANTED_IN_ALL)}; fewer rows or budgets of "
            "iterations help, too"
        )


def foresee(lines: Sequence[Line], options: Options) -> Power | None:
    """Return what a check of such lines can see in PSNR; None where nothing of it varies.

    Draws normal seeds with the rows' own spreads and judges them as the check does.
    """
    noisy = [x for x in lines if x.figure == "psnr" and x.testable and not x.copied and _std(x)]
    if not noisy:
        return None
    share = shares([x.figure for x in lines if x.testable and not x.copied])["psnr"]
    counts = [(len(seeds_of(x.old)), len(seeds_of(x.new))) for x in noisy]
    std = np.array([_std(line) for line in noisy])
    allowed = np.array([line.tolerance for line in noisy])
    level = options.alpha * share
    rng = np.random.default_rng(0)
    one, every = 0, 0
    for draw in range(_DRAWS):
        old = [s * rng.standard_normal(n) for s, (n, _) in zip(std, counts, strict=True)]
        new = [s * rng.standard_normal(n) for s, (_, n) in zip(std, counts, strict=True)]
        row = draw % len(noisy)
        worse = [x - LOSS_DB * (i == row) for i, x in enumerate(new)]
        one += bool(_found(old, worse, allowed, level, options)[row])
        every += bool(_found(old, [x - LOSS_DB for x in new], allowed, level, options).any())
    needed = _needed(std, float(np.median(allowed)), level)
    fewest = min(min(pair) for pair in counts)
    return Power(len(noisy), fewest, one / _DRAWS, every / _DRAWS, needed)


def of_baseline(snapshot: Snapshot, options: Options) -> Power | None:
    """Return what a check of a run with as many seeds as a baseline, and alike, will see."""
    lines: list[Line] = []
    done = snapshot.cells[snapshot.cells["status"] == "ok"]
    for key, cells in done.groupby([*CHECKED], sort=False):
        psnr = cells["psnr"]
        if equal_iterations.is_timed(str(cells["budget"].iloc[0])) and not options.as_measured:
            psnr, _ = equal_iterations.correct(cells, cells)
        for name, tolerance in options.tolerances.items():
            if name in CHECKS:
                seeds = np.asarray((psnr if name == "psnr" else cells[name]).dropna(), float)
                lines.append(
                    Line(tuple(map(str, key)), name, tolerance=tolerance, old=seeds, new=seeds)
                )
    return foresee([x for x in lines if x.testable and np.ptp(seeds_of(x.old))], options)


def _found(
    old: list[Array], new: list[Array], allowed: Array, level: float, options: Options
) -> np.ndarray:
    """Return which rows a check would call worse, [rows]."""
    p = significance.holm(significance.p_values(old, new, options.test))
    loss = np.array([was.mean() - now.mean() for was, now in zip(old, new, strict=True)])
    return np.asarray((p <= level) & (loss > allowed))


def _std(line: Line) -> float:
    """Return the standard deviation over the seeds of both sides, dB."""
    sides = [seeds_of(line.old), seeds_of(line.new)]
    df = [len(side) - 1 for side in sides]
    squares = sum(d * float(np.var(side, ddof=1)) for d, side in zip(df, sides, strict=True))
    return math.sqrt(squares / sum(df))


def _needed(std: Array, allowed: float, level: float) -> int | None:
    """Return the seeds on either side that do, with rows' mean variance known from all of them."""
    rows, typical = len(std), float(np.sqrt(np.mean(std**2)))
    for n in range(2, _MOST_SEEDS + 1):
        error = typical * math.sqrt(2 / n)
        critical = float(stats.t.ppf(1 - level / rows, 2 * (n - 1) * rows))
        least = max(critical * error, allowed)
        in_one = float(stats.norm.sf((least - LOSS_DB) / error))
        if in_one >= WANTED_IN_ONE + _SPARE and 1 - (1 - in_one) ** rows >= WANTED_IN_ALL:
            return n
    return None


def _share(part: float) -> str:
    return f"{100 * part:.0f} %"
