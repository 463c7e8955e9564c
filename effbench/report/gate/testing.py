"""P-values of a check's lines, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.analysis import significance
from effbench.analysis.significance import Test
from effbench.report.gate.lines import ROUNDING, Line, seeds_of, sign_of, tested


def adjusted(lines: Sequence[Line], test: Test, sign: int) -> list[float]:
    """Return p-values that figures are not worse (sign 1) or not better (−1), corrected so that the
    chance of any false alarm in the whole check stays below the level.

    The rows of a figure are one family, whose variances say something of each other: Holm's
    correction is over those that vary, Bonferroni's over the figures that have such rows.
    """
    p = np.ones(len(lines))
    families = []
    for name in dict.fromkeys(line.figure for line in lines):
        own = np.array([i for i, line in enumerate(lines) if line.figure == name])
        old = [tested(name, seeds_of(lines[i].old), sign) for i in own]
        new = [tested(name, seeds_of(lines[i].new), sign) for i in own]
        p[own] = significance.p_values(old, new, test)
        noisy = significance.varies(old, new) & ~np.array([lines[i].copied for i in own])
        if noisy.any():
            families.append(own[noisy])
    for family in families:
        p[family] = np.minimum(len(families) * significance.holm(p[family]), 1.0)
    for i, line in enumerate(lines):
        if line.copied:
            p[i] = 0.0 if sign * sign_of(line.figure) * line.change < -ROUNDING else 1.0
    return [float(value) for value in p]
