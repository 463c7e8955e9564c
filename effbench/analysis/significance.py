"""Is a sample of seeds worse than another, over several rows at once? Pure functions on arrays.

A row is one figure of one method on one scene, with a few seeds on either side. Everything is
one-sided: the alternative is that the candidate's mean is lower (negate what is better when lower).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

Test = Literal["moderated", "welch", "permutation"]
Array = npt.NDArray[np.float64]

LEAST_SEEDS = 2  # on either side: one seed says nothing of the noise
_LEAST_ROWS = 3  # to tell how far rows' variances differ
# How many standard errors more than estimated rows' variances are taken to differ. With 0, false
# alarms were up to three times the level where rows' spreads differ (`python -m bench gate`).
_CAUTION = 1.0
_EXACT = 1e-9  # standard deviations below this part of the mean are rounding, not noise
_MOST_PERMUTATIONS = 9999


@dataclass(frozen=True)
class Samples:
    """Number, mean and sample variance of the seeds per row, each [rows]."""

    n: Array
    mean: Array
    var: Array

    @classmethod
    def of(cls, values: Sequence[npt.ArrayLike]) -> Samples:
        """Summarise one array of seeds per row; every row needs LEAST_SEEDS."""
        rows = [np.asarray(row, float) for row in values]
        n = np.array([float(len(row)) for row in rows])
        if len(set(n)) == 1:
            table = np.stack(rows)
            mean, var = table.mean(axis=1), table.var(axis=1, ddof=1)
        else:
            mean = np.array([row.mean() for row in rows])
            var = np.array([row.var(ddof=1) for row in rows])
        exact = var <= (_EXACT * np.abs(mean)) ** 2
        return cls(n, mean, np.where(exact, 0.0, var))


def p_values(
    baseline: Sequence[npt.ArrayLike], candidate: Sequence[npt.ArrayLike], test: Test
) -> Array:
    """Return per row the one-sided p-value that the candidate's mean is not lower, [rows].

    A row that does not vary on either side is not tested: its p is 0 if lower beyond rounding,
    else 1.
    """
    if not len(baseline):
        return np.zeros(0)
    old, new = Samples.of(baseline), Samples.of(candidate)
    p = np.where(new.mean < old.mean - _EXACT * np.abs(old.mean), 0.0, 1.0)
    noisy = varies(baseline, candidate)
    if not noisy.any():
        return p
    if test == "permutation":
        chosen: list[int] = np.flatnonzero(noisy).tolist()
        pairs = [(np.asarray(baseline[i], float), np.asarray(candidate[i], float)) for i in chosen]
        p[noisy] = [_permutation(own, other) for own, other in pairs]
    else:
        compare = _TESTS[test]
        p[noisy] = compare(*(Samples(s.n[noisy], s.mean[noisy], s.var[noisy]) for s in (old, new)))
    return p


def varies(
    baseline: Sequence[npt.ArrayLike], candidate: Sequence[npt.ArrayLike]
) -> npt.NDArray[np.bool_]:
    """Return which rows vary over seeds on either side, beyond rounding, [rows]."""
    return (Samples.of(baseline).var > 0) | (Samples.of(candidate).var > 0)


def welch(old: Samples, new: Samples) -> Array:
    """Return Welch's p-values: each row by its own variances, which may differ between sides."""
    found = stats.ttest_ind_from_stats(
        *(new.mean, np.sqrt(new.var), new.n, old.mean, np.sqrt(old.var), old.n),
        equal_var=False,
        alternative="less",
    )
    return np.asarray(found.pvalue, float)


def moderated(old: Samples, new: Samples) -> Array:
    """Return the p-values of moderated t-tests (Smyth 2004, doi:10.2202/1544-6115.1027).

    A row's variance is raised towards what the others have in common, the more so the more alike
    they are, and its degrees of freedom grow by what they know: three seeds alone estimate a
    variance too badly to see anything. With fewer than three rows this is Student's t-test.
    """
    df = old.n + new.n - 2
    var = ((old.n - 1) * old.var + (new.n - 1) * new.var) / df
    prior_var, prior_df = fit_prior(var, df)
    if math.isinf(prior_df):
        shrunk, total = np.full_like(var, prior_var), np.full_like(var, df.sum())
    else:
        shrunk = (prior_df * prior_var + df * var) / (prior_df + df)
        total = np.minimum(df + prior_df, df.sum())
    # Upwards only: a row that varies more than the others must not be taken for one of them.
    t = (new.mean - old.mean) / np.sqrt(np.maximum(shrunk, var) * (1 / old.n + 1 / new.n))
    return np.asarray(stats.t.cdf(t, total), float)


def fit_prior(var: Array, df: Array) -> tuple[float, float]:
    """Return the variance that rows have in common and the degrees of freedom it is worth.

    Fits var ~ s0² F(df, d0) by the mean and variance of log var (Smyth 2004, section 6.2), the
    latter enlarged by _CAUTION of its standard errors: d0 = ∞ for variances that are more alike
    than chance makes them, 0 with too few rows to tell.
    """
    if len(var) < _LEAST_ROWS:
        return 0.0, 0.0
    floor = 1e-5 * float(np.median(var))  # seeds that happen to be equal have no logarithm
    e = np.log(np.maximum(var, floor)) - special.digamma(df / 2) + np.log(df / 2)
    spread = e.var(ddof=1) * (1 + _CAUTION * math.sqrt(2 / (len(var) - 1)))
    excess = float(spread - special.polygamma(1, df / 2).mean())
    if excess <= 1e-6:
        return float((df * var).sum() / df.sum()), math.inf
    half = optimize.brentq(lambda x: float(special.polygamma(1, x)) - excess, 1e-4, 1e7)
    return float(np.exp(e.mean() + special.digamma(half) - math.log(half))), 2 * half


def holm(p: npt.ArrayLike) -> Array:
    """Return Holm's adjusted p-values: the chance of any false alarm stays below the level."""
    found = np.asarray(p, float)
    order = np.argsort(found, kind="stable")
    steps = found[order] * np.arange(len(found), 0, -1)
    adjusted = np.empty_like(found)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _permutation(old: Array, new: Array) -> float:
    """Return the share of relabellings with a difference as low: all of them, or 9,999."""
    found = stats.permutation_test(
        (new, old),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        alternative="less",
        n_resamples=_MOST_PERMUTATIONS,
        vectorized=True,
        random_state=np.random.default_rng(0),
    )
    return float(found.pvalue)


_TESTS: dict[Test, Callable[[Samples, Samples], Array]] = {"welch": welch, "moderated": moderated}
TESTS: tuple[Test, ...] = ("moderated", "welch", "permutation")
