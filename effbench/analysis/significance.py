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
from scipy import special, stats

Test = Literal["moderated", "welch", "permutation"]
Array = npt.NDArray[np.float64]

LEAST_SEEDS = 2  # on either side: one seed says nothing of the noise
_LEAST_ROWS = 3  # to tell how far rows' variances differ
# How many standard errors more than estimated rows' variances are taken to differ. With 0, false
# alarms were up to three times the level where rows' spreads differ (`python -m bench gate`).
_CAUTION = 1.0
_EXACT = 1e-9  # standard deviations below this part of the mean are rounding, not noise
_ALIKE = 1e-6  # variances of log variances beyond chance below which rows are alike
_NEWTON_STEPS = 50  # about five are needed
_MOST_PERMUTATIONS = 9999


@dataclass(frozen=True)
class Samples:
    """Number, mean and sample variance of the seeds per row: [rows], mean and var of several checks
    [..., rows]."""

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
    baseline: Sequence[npt.ArrayLike],
    candidate: Sequence[npt.ArrayLike],
    test: Test,
    doubt: Array | None = None,
) -> Array:
    """Return per row the one-sided p-value that the candidate's mean is not lower, [rows].

    doubt: standard errors of the difference of means besides that of the seeds, [rows], in the
    values' unit; what all seeds of a side share does not show in their spread. None: there is none.
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
    known = np.zeros(len(p)) if doubt is None else np.asarray(doubt, float)
    old, new = (Samples(s.n[noisy], s.mean[noisy], s.var[noisy]) for s in (old, new))
    if test == "permutation":
        chosen: list[int] = np.flatnonzero(noisy).tolist()
        pairs = [(np.asarray(baseline[i], float), np.asarray(candidate[i], float)) for i in chosen]
        found = np.array([_permutation(own, other) for own, other in pairs])
        p[noisy] = _doubted(found, old, new, known[noisy])
    else:
        p[noisy] = _TESTS[test](old, new, known[noisy])
    return p


def _doubted(p: Array, old: Samples, new: Samples, doubt: Array) -> Array:
    """Return p-values of a test that knows of seeds alone with a doubt in the difference besides:
    its normal score, by the larger standard error."""
    seeds = old.var / old.n + new.var / new.n
    score = stats.norm.ppf(p) * np.sqrt(seeds / (seeds + doubt**2))
    return np.where(doubt > 0, stats.norm.cdf(score), p)


def varies(
    baseline: Sequence[npt.ArrayLike], candidate: Sequence[npt.ArrayLike]
) -> npt.NDArray[np.bool_]:
    """Return which rows vary over seeds on either side, beyond rounding, [rows]."""
    return (Samples.of(baseline).var > 0) | (Samples.of(candidate).var > 0)


def welch(old: Samples, new: Samples, doubt: Array) -> Array:
    """Return Welch's p-values: each row by its own variances, which may differ between sides.

    The doubt adds to the standard error, but not to its degrees of freedom, which errs on the side
    of caution.
    """
    squares = old.var / old.n, new.var / new.n
    seeds = squares[0] + squares[1]
    df = seeds**2 / (squares[0] ** 2 / (old.n - 1) + squares[1] ** 2 / (new.n - 1))
    t = (new.mean - old.mean) / np.sqrt(seeds + doubt**2)
    return np.asarray(special.stdtr(df, t), float)


def moderated(old: Samples, new: Samples, doubt: Array) -> Array:
    """Return the p-values of moderated t-tests (Smyth 2004, doi:10.2202/1544-6115.1027).

    A row's variance is raised towards what the others have in common, the more so the more alike
    they are, and its degrees of freedom grow by what they know: three seeds alone estimate a
    variance too badly to see anything. With fewer than three rows this is Student's t-test. The
    doubt is added as in `welch`.
    """
    df = old.n + new.n - 2
    var = ((old.n - 1) * old.var + (new.n - 1) * new.var) / df
    prior_var, prior_df = (found[..., None] for found in fit_prior(var, df))
    known = np.isinf(prior_df)
    weight = np.where(known, 1.0, prior_df)  # where the prior is all that counts, any will do
    shrunk = np.where(known, prior_var, (weight * prior_var + df * var) / (weight + df))
    total = np.minimum(df + prior_df, df.sum())
    # Upwards only: a row that varies more than the others must not be taken for one of them.
    seeds = np.maximum(shrunk, var) * (1 / old.n + 1 / new.n)
    t = (new.mean - old.mean) / np.sqrt(seeds + doubt**2)
    return np.asarray(special.stdtr(total, t), float)


def fit_prior(var: Array, df: Array) -> tuple[Array, Array]:
    """Return the variance that rows have in common and the degrees of freedom it is worth, [...].

    var [..., rows], df [rows]. Fits var ~ s0² F(df, d0) by the mean and variance of log var (Smyth
    2004, section 6.2), the latter enlarged by _CAUTION of its standard errors: d0 = ∞ for variances
    that are more alike than chance makes them, 0 with too few rows to tell.
    """
    rows = var.shape[-1]
    if rows < _LEAST_ROWS:
        return np.zeros(var.shape[:-1]), np.zeros(var.shape[:-1])
    # Seeds that happen to be equal have no logarithm.
    floor = 1e-5 * np.median(var, axis=-1, keepdims=True)
    e = np.log(np.maximum(var, floor)) - special.digamma(df / 2) + np.log(df / 2)
    spread = e.var(axis=-1, ddof=1) * (1 + _CAUTION * math.sqrt(2 / (rows - 1)))
    excess = spread - special.polygamma(1, df / 2).mean()
    alike = excess <= _ALIKE
    half = _trigamma_inverse(np.where(alike, 1.0, excess))
    own = np.exp(e.mean(axis=-1) + special.digamma(half) - np.log(half))
    pooled = (df * var).sum(axis=-1) / df.sum()
    return np.where(alike, pooled, own), np.where(alike, np.inf, 2 * half)


def _trigamma_inverse(x: Array) -> Array:
    """Return y > 0 with ψ′(y) = x, by Newton's method on 1/ψ′, which is nearly linear (Smyth 2004,
    appendix)."""
    y = 0.5 + 1 / x
    for _ in range(_NEWTON_STEPS):
        value = special.polygamma(1, y)
        step = value * (1 - value / x) / special.polygamma(2, y)
        y = y + step
        if np.all(np.abs(step) <= 1e-10 * y):
            break
    return np.asarray(y, float)


def holm(p: npt.ArrayLike) -> Array:
    """Return Holm's adjusted p-values over the last axis: the chance of any false alarm stays below
    the level."""
    found = np.asarray(p, float)
    order = np.argsort(found, axis=-1, kind="stable")
    steps = np.take_along_axis(found, order, -1) * np.arange(found.shape[-1], 0, -1)
    adjusted = np.empty_like(found)
    ordered = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    np.put_along_axis(adjusted, order, ordered, -1)
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


_TESTS: dict[Test, Callable[[Samples, Samples, Array], Array]] = {
    "welch": welch,
    "moderated": moderated,
}
TESTS: tuple[Test, ...] = ("moderated", "welch", "permutation")
