"""Seeds that an effect needs: textbook values, and simulations of the tests themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from effbench.analysis import power
from effbench.analysis.power import Noise
from tests.analysis.test_rows_compared import COMMON


def pairs(variance: float) -> Noise:
    return Noise("paired", variance, 1.0, 5)


def groups(variance: float) -> Noise:
    return Noise("welch", 2 * variance, 2.0, 5)


@pytest.mark.parametrize(
    ("noise", "effect", "target", "seeds"),
    [  # Cohen 1988 and G*Power 3.1, two-sided at 5 %
        (pairs(1.0), 0.5, 0.8, 34),
        (pairs(1.0), 0.5, 0.95, 54),
        (pairs(1.0), 1.0, 0.8, 10),
        (groups(1.0), 0.5, 0.8, 64),
        (groups(1.0), 0.8, 0.8, 26),
        (groups(1.0), 1.0, 0.8, 17),
        (groups(1.0), 0.5, 0.95, 105),
        (groups(4.0), -1.0, 0.8, 64),
        (pairs(0.0), 0.1, 0.95, 2),
    ],
)
def test_textbook_values(noise: Noise, effect: float, target: float, seeds: int) -> None:
    assert power.seeds_needed(effect, noise, target) == seeds


def test_what_needs_too_many_seeds_has_none() -> None:
    assert power.seeds_needed(0.001, pairs(1.0), 0.8) is None
    assert power.chance(1000.0, pairs(1.0), 100) == 1.0


def test_power_of_welchs_test_as_simulated() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1.0, (20_000, 6)), rng.normal(1.5, 0.5, (20_000, 6))
    seen = (stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue < 0.05).mean()
    freedom = (1 + 0.25) ** 2 / (1 + 0.25**2)
    assert power.chance(1.5, Noise("welch", 1.25, freedom, 6), 6) == pytest.approx(seen, abs=0.015)


def cells(method: str, psnr: Sequence[float], first: int = 0) -> pd.DataFrame:
    about: dict[str, Any] = {**COMMON, "method": method, "label": method, "wall_s": 1800.0}
    numbers = {"repetition": range(len(psnr)), "seed": range(first, first + len(psnr))}
    return pd.DataFrame({**about, **numbers, "psnr": psnr, "iter_ms": psnr})


class TestTable:
    def test_paired_where_seeds_are_shared(self) -> None:
        frame = pd.concat([cells("base", [20.0, 22.0, 21.0]), cells("a", [21.0, 22.0, 22.0])])
        row = power.table(frame, "psnr", 0.5, "base").iloc[0]
        # differences 1, 0, 1: variance 1/3
        assert (row["method"], row["test"], row["n"]) == ("a", "paired", 3)
        assert row["sd"] == pytest.approx(3**-0.5)
        assert row["seeds_80"] == power.seeds_needed(0.5, pairs(1 / 3), 0.8)
        assert row["hours_80"] == row["seeds_80"]  # half an hour a cell, two rows
        assert row["sd_low"] < row["sd"] < row["sd_high"]

    def test_other_seeds_by_both_variances(self) -> None:
        frame = pd.concat([cells("base", [20.0, 22.0, 21.0]), cells("a", [21.0, 22.0, 21.0], 9)])
        row = power.table(frame, "psnr", 0.5, "base").iloc[0]
        assert row["test"] == "welch"
        assert row["sd"] == pytest.approx(((1 + 1 / 3) / 2) ** 0.5)

    def test_one_seed_has_no_variance_and_says_so(self) -> None:
        row = power.table(cells("a", [20.0]), "psnr", 0.5).iloc[0]
        assert np.isnan(row["seeds_80"])
        assert row["why"] == "one seed tells nothing of the variance: run at least 2"

    def test_a_row_alone_is_held_against_one_like_itself(self) -> None:
        row = power.table(cells("a", [20.0, 22.0, 21.0]), "psnr", 1.0).iloc[0]
        assert (row["test"], row["sd"], row["seeds_80"]) == ("welch", 1.0, 17)

    def test_ratios_by_logarithms(self) -> None:
        row = power.table(cells("a", [10.0, 20.0]), "iter_ms", 0.1).iloc[0]
        assert row["sd"] == pytest.approx(np.log(2) / 2**0.5)
