"""What a check says of its lines: a loss beyond noise and beyond the tolerance is a regression."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.analysis.significance import LEAST_SEEDS
from effbench.report.gate.lines import Line, seeds_of, sign_of
from effbench.report.gate.options import Options
from effbench.report.gate.testing import adjusted


def judge(lines: Sequence[Line], options: Options) -> None:
    """Set the verdict, p and reason of every line that has figures on both sides."""
    compared = [x for x in lines if x.old is not None and x.new is not None]
    testable = [x for x in compared if x.testable]
    worse, better = (adjusted(testable, options.test, sign) for sign in (1, -1))
    for line in compared:
        if not line.testable:
            seeds = f"{len(seeds_of(line.new))} against {len(seeds_of(line.old))} seeds"
            line.reason = (
                f"cannot tell: n too small ({seeds}, {LEAST_SEEDS} are needed on each side)"
            )
    for line, p_worse, p_better in zip(testable, worse, better, strict=True):
        loss = -sign_of(line.figure) * line.change
        line.p = float(p_worse if loss > 0 else p_better)
        if line.p > options.alpha:
            line.reason = "not significant" if abs(loss) > line.tolerance else ""
        elif abs(loss) <= line.tolerance:
            line.reason = "significant, but within the tolerance"
        else:
            line.verdict = "regressed" if loss > 0 else "improved"
