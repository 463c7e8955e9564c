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
from effbench.report.gate.lines import Line, allow_for_doubt, seeds_of
from effbench.report.gate.options import Options
from effbench.report.gate.snapshot import Snapshot
from effbench.report.gate.testing import shares
from effbench.report.gate.tolerances import CHECKS

LOSS_DB = 0.3
DRIFT = 0.05  # of a machine's speed from run to run, as a part, where only one run is known
WANTED_IN_ONE, WANTED_IN_ALL = 0.80, 0.95  # of the checks, a loss in one row, in every row
_DRAWS = 200
_MOST_SEEDS = 100
_SPARE = 0.06  # by which the normal approximation of `_needed` is too hopeful


@dataclass(frozen=True)
class Power:
    """rows: that vary; seeds: the fewest of a side; std, doubt: root mean squares over rows of the
    seeds' deviation and of the corrections' errors, dB; in_one, in_all: the share of checks that
    would find LOSS_DB in one row, in every row; needed: about how many seeds on either side would
    do, None for more than 100."""

    rows: int
    seeds: int
    std: float
    doubt: float
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
        setting = f"{self.rows} row{'s' * (self.rows > 1)}, {self.seeds} seeds"
        setting += f", ± {self.std:.2f} dB over seeds"
        if self.doubt:
            setting += f", ± {self.doubt:.2f} dB by the correction to equal iterations"
        found = f"with {setting}, a loss of {LOSS_DB} dB {one}would be found in "
        found += f"{_share(self.in_one)} of checks{every}"
        if self.suffices:
            return found
        most = f"more than {_MOST_SEEDS}" if self.needed is None else f"about {self.needed}"
        helps = "fewer rows help, too"
        if self.doubt:
            helps = "budgets of iterations (--budget 3000it) need no correction and see more"
        return (
            f"{found}: too few to rely on. {most[0].upper()}{most[1:]} seeds on either side are "
            f"needed for {_share(WANTED_IN_ONE)} and {_share(WANTED_IN_ALL)}; {helps}"
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
    doubt = np.array([line.doubt for line in noisy])
    allowed = np.array([line.tolerance for line in noisy])
    level = options.alpha * share
    rng = np.random.default_rng(0)
    one, every = 0, 0
    for draw in range(_DRAWS):
        old = [s * rng.standard_normal(n) for s, (n, _) in zip(std, counts, strict=True)]
        new = [s * rng.standard_normal(n) for s, (_, n) in zip(std, counts, strict=True)]
        off = doubt * rng.standard_normal(len(noisy))
        new = [x + error for x, error in zip(new, off, strict=True)]
        row = draw % len(noisy)
        worse = [x - LOSS_DB * (i == row) for i, x in enumerate(new)]
        one += bool(_found(old, worse, allowed, level, options, doubt)[row])
        lost = [x - LOSS_DB for x in new]
        every += bool(_found(old, lost, allowed, level, options, doubt).any())
    spread, error = (float(np.sqrt(np.mean(x**2))) for x in (std, doubt))
    needed = _needed(len(noisy), spread, error, float(np.median(allowed)), level)
    fewest = min(min(pair) for pair in counts)
    return Power(len(noisy), fewest, spread, error, one / _DRAWS, every / _DRAWS, needed)


def of_baseline(snapshot: Snapshot, options: Options) -> Power | None:
    """Return what a check of a run with as many seeds as a baseline, and alike, will see.

    Under a time budget the machine is taken to drift by DRIFT from run to run.
    """
    lines: list[Line] = []
    done = snapshot.cells[snapshot.cells["status"] == "ok"]
    for key, cells in done.groupby([*CHECKED], sort=False):
        psnr, growth = cells["psnr"], math.nan
        if equal_iterations.is_timed(str(cells["budget"].iloc[0])) and not options.as_measured:
            psnr, _ = equal_iterations.correct(cells, cells)
            growth = equal_iterations.growth_of(cells)
        for name, tolerance in options.tolerances.items():
            if name in CHECKS:
                seeds = np.asarray((psnr if name == "psnr" else cells[name]).dropna(), float)
                line = Line(tuple(map(str, key)), name, tolerance=tolerance, old=seeds, new=seeds)
                if name == "psnr":  # two runs that drift, one from the other
                    line.growth, line.less = growth, math.sqrt(2) * DRIFT
                lines.append(line)
    allow_for_doubt(lines)
    return foresee([x for x in lines if x.testable and np.ptp(seeds_of(x.old))], options)


def _found(
    old: list[Array],
    new: list[Array],
    allowed: Array,
    level: float,
    options: Options,
    doubt: Array,
) -> np.ndarray:
    """Return which rows a check would call worse, [rows]."""
    p = significance.holm(significance.p_values(old, new, options.test, doubt))
    loss = np.array([was.mean() - now.mean() for was, now in zip(old, new, strict=True)])
    return np.asarray((p <= level) & (loss > allowed))


def _std(line: Line) -> float:
    """Return the standard deviation over the seeds of both sides, dB."""
    sides = [seeds_of(line.old), seeds_of(line.new)]
    df = [len(side) - 1 for side in sides]
    squares = sum(d * float(np.var(side, ddof=1)) for d, side in zip(df, sides, strict=True))
    return math.sqrt(squares / sum(df))


def _needed(rows: int, std: float, doubt: float, allowed: float, level: float) -> int | None:
    """Return the seeds on either side that do, with rows' mean variance known from all of them."""
    for n in range(2, _MOST_SEEDS + 1):
        error = math.hypot(std * math.sqrt(2 / n), doubt)
        critical = float(stats.t.ppf(1 - level / rows, 2 * (n - 1) * rows))
        least = max(critical * error, allowed)
        in_one = float(stats.norm.sf((least - LOSS_DB) / error))
        if in_one >= WANTED_IN_ONE + _SPARE and 1 - (1 - in_one) ** rows >= WANTED_IN_ALL:
            return n
    return None


def _share(part: float) -> str:
    return f"{100 * part:.0f} %"
