"""P-values of a check's lines, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from effbench.analysis import significance
from effbench.analysis.figures import FIGURES
from effbench.analysis.significance import Test
from effbench.report.gate.lines import ROUNDING, Line, seeds_of, sign_of, tested

# The part of the level that figures of quality have: what a check is there to see. Durations and
# memory that got worse did so by more than their noise.
_QUALITY_SHARE = 0.8


def shares(figures: Iterable[str]) -> dict[str, float]:
    """Return the part of a check's level that each of the figures has; together they are 1."""
    names = list(dict.fromkeys(figures))
    quality = [name for name in names if FIGURES[name].group == "quality"]
    others = [name for name in names if name not in quality]
    if not quality or not others:
        return {name: 1 / len(names) for name in names}
    return {name: _QUALITY_SHARE / len(quality) for name in quality} | {
        name: (1 - _QUALITY_SHARE) / len(others) for name in others
    }


def adjusted(lines: Sequence[Line], test: Test, sign: int) -> list[float]:
    """Return p-values that figures are not worse (sign 1) or not better (−1), corrected so that the
    chance of any false alarm in the whole check stays below the level.

    The rows of a figure are one family, whose variances say something of each other: Holm's
    correction is over those that vary. Figures that have such rows share the level (`shares`).
    """
    p = np.ones(len(lines))
    families: dict[str, npt.NDArray[np.intp]] = {}
    for name in dict.fromkeys(line.figure for line in lines):
        own = np.array([i for i, line in enumerate(lines) if line.figure == name])
        old = [tested(name, seeds_of(lines[i].old), sign) for i in own]
        new = [tested(name, seeds_of(lines[i].new), sign) for i in own]
        doubt = np.array([lines[i].doubt for i in own])
        p[own] = significance.p_values(old, new, test, doubt)
        noisy = significance.varies(old, new) & ~np.array([lines[i].copied for i in own])
        if noisy.any():
            families[name] = own[noisy]
    for name, share in shares(families).items():
        family = families[name]
        p[family] = np.minimum(significance.holm(p[family]) / share, 1.0)
    for i, line in enumerate(lines):
        if line.copied:
            p[i] = 0.0 if sign * sign_of(line.figure) * line.change < -ROUNDING else 1.0
    return [float(value) for value in p]
