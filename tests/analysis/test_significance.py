"""Tests over seeds: against SciPy, enumeration and figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from effbench.analysis import significance
from effbench.analysis.significance import Samples, Test

OLD = [[30.0, 30.2, 30.1], [25.0, 25.3, 24.9], [20.0, 20.4, 20.5], [28.1, 28.0, 28.3]]
NEW = [[29.5, 29.7, 29.6], [25.1, 25.2, 24.9], [20.1, 20.2, 20.7], [28.2, 28.2, 28.1]]


def test_welch_is_scipys() -> None:
    found = significance.p_values(OLD, NEW, "welch")
    for p, old, new in zip(found, OLD, NEW, strict=True):
        reference = stats.ttest_ind(new, old, equal_var=False, alternative="less")
        assert p == pytest.approx(reference.pvalue)


def test_welch_takes_unequal_numbers_of_seeds() -> None:
    (p,) = significance.p_values([[30.0, 30.2, 30.1, 30.1, 30.3]], [[29.8, 29.9]], "welch")
    reference = stats.ttest_ind(
        [29.8, 29.9], [30.0, 30.2, 30.1, 30.1, 30.3], equal_var=False, alternative="less"
    )
    assert p == pytest.approx(reference.pvalue)


@pytest.mark.parametrize("test", ["welch", "moderated", "permutation"])
def test_a_doubt_that_seeds_do_not_show_makes_a_loss_less_sure(test: Test) -> None:
    plain = significance.p_values(OLD, NEW, test, np.zeros(4))
    doubted = significance.p_values(OLD, NEW, test, np.array([0.5, 0.0, 0.0, 0.0]))
    assert plain == pytest.approx(significance.p_values(OLD, NEW, test))
    assert doubted[0] > 2 * plain[0]
    assert doubted[1:] == pytest.approx(plain[1:])


def test_a_doubt_adds_to_the_standard_error_in_squares() -> None:
    # variance 0.01 on both sides, three seeds: √(0.02 / 3 + 0.1²), Welch's 4 degrees of freedom
    (p,) = significance.p_values([OLD[0]], [NEW[0]], "welch", np.array([0.1]))
    assert p == pytest.approx(stats.t.cdf(-0.5 / math.sqrt(0.02 / 3 + 0.01), 4))


def test_checks_at_once_are_each_as_alone() -> None:
    rng = np.random.default_rng(5)
    seeds = rng.normal(30, 0.1, (2, 20, 5, 3)) * np.linspace(0.99, 1.01, 5)[:, None]
    was, now = (Samples(np.full(5, 3.0), s.mean(-1), s.var(-1, ddof=1)) for s in seeds)
    together = significance.holm(significance.moderated(was, now, np.zeros(5)))
    for old, new, found in zip(*seeds, together, strict=True):
        alone = significance.holm(significance.p_values(list(old), list(new), "moderated"))
        assert found == pytest.approx(alone)


def test_three_against_three_permuted_cannot_go_below_a_twentieth() -> None:
    # all of the candidate's seeds are below all of the baseline's: 1 of 6!/(3! 3!) = 20
    assert significance.p_values(OLD[:1], NEW[:1], "permutation").tolist() == [0.05]


class TestModerated:
    def test_one_row_is_students_test(self) -> None:
        (p,) = significance.p_values(OLD[:1], NEW[:1], "moderated")
        reference = stats.ttest_ind(NEW[0], OLD[0], alternative="less")
        assert p == pytest.approx(reference.pvalue)

    def test_rows_that_vary_alike_share_one_variance(self) -> None:
        # every row's variance is 0.01: t = −0.05 / √(0.01 · 2/3), 4 · 4 degrees of freedom
        old = [[30.0, 30.1, 30.2]] * 4
        new = [[29.95, 30.05, 30.15]] * 4
        found = significance.p_values(old, new, "moderated")
        t = -0.05 / math.sqrt(0.01 * 2 / 3)
        assert found == pytest.approx([stats.t.cdf(t, 16)] * 4)

    def test_it_sees_what_three_seeds_alone_do_not(self) -> None:
        rng = np.random.default_rng(3)
        old = rng.normal(30, 0.12, (10, 3))
        new = rng.normal(30, 0.12, (10, 3))
        new[0] -= 0.8
        own, shared = (
            significance.p_values(list(old), list(new), test)[0] for test in ("welch", "moderated")
        )
        assert shared < own / 2

    def test_the_prior_is_found_again(self) -> None:
        # variances with 4 degrees of freedom around scaled inverse chi-square ones with 8
        rng = np.random.default_rng(0)
        rows = 20_000
        true = 0.02 * 8 / rng.chisquare(8, rows)
        var = true * rng.chisquare(4, rows) / 4
        centre, df = significance.fit_prior(var, np.full(rows, 4.0))
        assert centre == pytest.approx(0.02, rel=0.03)
        assert df == pytest.approx(8, rel=0.1)

    def test_equal_seeds_do_not_break_it(self) -> None:
        old = [*OLD, [20.0, 20.0, 20.0]]
        new = [*NEW, [20.0, 20.0, 19.9]]
        assert np.isfinite(significance.p_values(old, new, "moderated")).all()


@pytest.mark.parametrize("test", significance.TESTS)
class TestEveryTest:
    def test_a_row_against_itself_is_not_worse(self, test: Test) -> None:
        assert (significance.p_values(OLD, OLD, test) > 0.4).all()

    def test_what_does_not_vary_is_judged_without_a_test(self, test: Test) -> None:
        old = [[6.25] * 3, [6.25] * 3, [6.25] * 2, *OLD[:3]]
        new = [[6.0] * 3, [6.25] * 3, [6.25 - 1e-10] * 2, *OLD[:3]]
        assert significance.p_values(old, new, test)[:3].tolist() == [0.0, 1.0, 1.0]
        assert significance.varies(old, new).tolist() == [False] * 3 + [True] * 3

    def test_false_alarms_are_as_rare_as_the_level_says(self, test: Test) -> None:
        rng = np.random.default_rng(0)
        old, new = rng.normal(30, 0.15, (2, 300, 4))
        share = (significance.p_values(list(old), list(new), test) <= 0.1).mean()
        assert share == pytest.approx(0.1, abs=0.05)  # ± 3 standard deviations of a share of 300

    def test_nothing_to_compare(self, test: Test) -> None:
        assert significance.p_values([], [], test).size == 0


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, none smaller than the one before
    found = significance.holm([0.04, 0.01, 0.03, 0.02])
    assert found == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert significance.holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert significance.holm([]).size == 0


def test_rounding_is_no_variance() -> None:
    assert Samples.of([[0.1 + 0.2, 0.3, 0.3]]).var.tolist() == [0.0]
