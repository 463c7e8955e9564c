"""Two rows against each other: figures worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from effbench.analysis import rows_compared
from effbench.errors import ConfigError

COMMON = {
    **{"suite": "s", "variant": "", "scene": "a/b", "budget": "60s", "settings": "{}"},
    **{"device": "CPU", "manifest": "m", "code": "c", "eval_views": "25", "backend": "cpu"},
    **{"precision": "float32", "threads": "2", "status": "ok"},
}


def cells(
    method: str,
    psnr: Sequence[float],
    time: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    **changes: str,
) -> pd.DataFrame:
    """Return a row's cells, repetitions from 0."""
    figures = {"psnr": psnr, "iter_ms_mean": time or [10.0] * len(psnr)}
    numbers = {"repetition": range(len(psnr)), "seed": seeds or range(7, 7 + len(psnr))}
    about: dict[str, Any] = {**COMMON, "method": method, **changes}
    return pd.DataFrame({**numbers, **figures}).assign(**about)


def only(table: Sequence[pd.DataFrame], figure: str = "psnr", a: str = "a", b: str = "b") -> Any:
    found = rows_compared.compare(pd.concat(table), a, b, [figure]).rows
    assert len(found) == 1
    return found.iloc[0]


class TestTests:
    def test_equal_seeds_are_paired(self) -> None:
        row = only([cells("a", [21.0, 23.0, 22.0]), cells("b", [20.0, 21.0, 22.0])])
        # differences 1, 2, 0: mean 1, deviation 1, t = √3; with two degrees of freedom
        # p = 1 − t / √(t² + 2) and t₀.₉₇₅ = 4.302653
        assert (row["test"], row["n_a"], row["n_b"], row["effect"]) == ("paired", 3, 3, 1.0)
        assert row["p"] == pytest.approx(1 - 3**0.5 / 5**0.5)
        assert row["high"] - 1 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
        assert row["low"] + row["high"] == pytest.approx(2.0)
        assert (row["mean_a"], row["mean_b"]) == (22.0, 21.0)

    def test_other_seeds_are_tested_by_welch(self) -> None:
        row = only(
            [cells("a", [21.0, 23.0, 22.0]), cells("b", [20.0, 21.0, 22.0], seeds=[1, 2, 3])]
        )
        # variances 1 and 1: error √(2/3), t = √1.5, four degrees of freedom, t₀.₉₇₅ = 2.776445
        assert (row["test"], row["effect"]) == ("welch", 1.0)
        assert row["p"] == pytest.approx(0.2878641, abs=1e-7)
        assert row["high"] - 1 == pytest.approx(2.776445 * (2 / 3) ** 0.5, rel=1e-6)

    def test_a_repetition_that_one_lacks_makes_it_welch(self) -> None:
        row = only([cells("a", [21.0, 23.0, 22.0]), cells("b", [20.0, 21.0])])
        # variances 1 and 0.5: error² 1/3 + 1/4, degrees of freedom (7/12)² / (1/18 + 1/16)
        df, t = (7 / 12) ** 2 / (1 / 18 + 1 / 16), 1.5 / (7 / 12) ** 0.5
        slow = stats.ttest_ind([21.0, 23.0, 22.0], [20.0, 21.0], equal_var=False)
        assert (row["test"], row["n_a"], row["n_b"], row["effect"]) == ("welch", 3, 2, 1.5)
        assert row["p"] == pytest.approx(2 * stats.t.sf(t, df))
        assert row["p"] == pytest.approx(slow.pvalue)

    def test_failed_cells_do_not_count(self) -> None:
        b = cells("b", [20.0, 21.0, 22.0])
        b.loc[2, "status"] = "oom"
        row = only([cells("a", [21.0, 23.0, 22.0]), b])
        assert (row["test"], row["n_b"]) == ("welch", 2)

    def test_ratios_are_geometric_and_their_interval_is_of_logarithms(self) -> None:
        a, b = cells("a", [0, 0], [5.0, 2.5]), cells("b", [0, 0], [10.0, 20.0])
        row = only([a, b], "iter_ms_mean")
        # ratios 1/2 and 1/8; of their logarithms: mean −2 ln 2, error ln 2, t = −2; with one
        # degree of freedom p = 1 − 2 atan(2) / π and t₀.₉₇₅ = 12.706205
        assert (row["kind"], row["test"]) == ("ratio", "paired")
        assert row["effect"] == pytest.approx(0.25)
        assert row["p"] == pytest.approx(1 - 2 * math.atan(2) / math.pi)
        assert row["high"] == pytest.approx(0.25 * 2**12.706205, rel=1e-5)
        assert row["low"] == pytest.approx(0.25 * 2**-12.706205, rel=1e-5)

    def test_what_does_not_vary_is_not_tested_and_one_seed_is_not_either(self) -> None:
        exact = only([cells("a", [0, 0], [5.0, 5.0]), cells("b", [0, 0])], "iter_ms_mean")
        assert exact["test"] == "exact"
        assert [exact["low"], exact["high"]] == pytest.approx([0.5, 0.5])
        single = only([cells("a", [21.0]), cells("b", [20.0])])
        assert (single["test"], single["effect"]) == ("", 1.0)
        assert math.isnan(exact["p"])
        assert math.isnan(single["p"])
        assert math.isnan(single["low"])

    def test_holm_over_all_that_is_printed(self) -> None:
        table = [
            cells("a", [21.0, 23.0, 22.0], [5.0, 5.0, 5.0]),
            cells("b", [20.0, 21.0, 22.0]),
            cells("a", [11.0, 12.1, 13.0], scene="c/d"),
            cells("b", [10.0, 11.0, 12.0], scene="c/d"),
        ]
        found = rows_compared.compare(pd.concat(table), "a", "b", ["psnr", "iter_ms_mean"]).rows
        small, large = sorted(found["p"].dropna())
        assert len(found) == 4
        assert sorted(found["p_holm"].dropna()) == pytest.approx([2 * small, large])


class TestRows:
    def test_rows_may_be_of_two_suites_but_not_under_other_conditions(self) -> None:
        a, b = cells("a", [21.0, 22.0], suite="x"), cells("b", [20.0, 22.0], suite="y")
        other = cells("a", [25.0, 26.0], threads="8")
        found = rows_compared.compare(pd.concat([a, b, other]), "a", "b", ["psnr"])
        assert found.rows["effect"].tolist() == [0.5]
        assert found.alone == ["a/b, 60s, CPU, 25 test views: only 'a'"]

    def test_nothing_in_common_is_an_error(self) -> None:
        table = pd.concat([cells("a", [21.0]), cells("b", [20.0], scene="c/d")])
        with pytest.raises(ConfigError, match=r"share no scene.*a/b.*only 'a'.*c/d.*only 'b'"):
            rows_compared.compare(table, "a", "b", ["psnr"])

    def test_a_variant_as_pages_write_it(self) -> None:
        table = [cells("a", [21.0], variant="x=1,y=2"), cells("a", [20.0], variant="x=1,y=3")]
        row = only(table, a="a x=1, y=2", b="a x=1,y=3")
        assert row["effect"] == 1.0

    def test_what_is_several_rows_is_an_error_that_says_how_they_differ(self) -> None:
        b = cells("b", [20.0])
        table = pd.concat([cells("a", [21.0], variant=v) for v in ("x=1", "x=2")] + [b])
        with pytest.raises(ConfigError, match="'a' is several rows: name one of a x=1, a x=2"):
            rows_compared.compare(table, "a", "b", ["psnr"])
        table = pd.concat([cells("a", [21.0], code=c) for c in ("c", "d")] + [b])
        with pytest.raises(ConfigError, match="'a' on a/b is several rows, which differ in code"):
            rows_compared.compare(table, "a", "b", ["psnr"])
        with pytest.raises(ConfigError, match="are the same row"):
            rows_compared.compare(table, "b", "b", ["psnr"])

    def test_an_unknown_figure_names_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match="unknown figure 'psnt': did you mean psnr"):
            rows_compared.figures_named(["psnt"])


def test_effects_as_text() -> None:
    row = only([cells("a", [21.0, 23.0, 22.0]), cells("b", [20.0, 21.0, 22.0])])
    assert rows_compared.written(row) == ("+1.000", "[−1.484, +3.484]")
    single = only([cells("a", [0], [5.0]), cells("b", [0])], "iter_ms_mean")
    assert rows_compared.written(single) == ("0.500×", "")
