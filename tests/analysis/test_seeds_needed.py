"""Seeds that an effect takes: textbook sample sizes, which test, what has no variance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import seeds_needed
from effbench.analysis.identity import CONDITIONS, ROW
from effbench.analysis.seeds_needed import Spread, power_of, seeds, spread_of
from effbench.errors import ConfigError


def row(method: str, values: Sequence[float], first_seed: int = 0) -> list[dict[str, Any]]:
    about = dict.fromkeys((*ROW, *CONDITIONS), "") | {"method": method}
    return [
        {**about, "status": "ok", "repetition": i, "seed": first_seed + i, "psnr": v, "iter_ms": v}
        for i, v in enumerate(values)
    ]


class TestSampleSizes:
    @pytest.mark.parametrize(
        ("effect", "power", "n"), [(0.5, 0.8, 34), (0.5, 0.95, 54), (1, 0.8, 10)]
    )
    def test_of_a_paired_t_test(self, effect: float, power: float, n: int) -> None:
        # G*Power 3.1, difference of two dependent means, two-sided, α = 0.05
        assert seeds(Spread("paired", 1.0, 9.0, 1.0), effect, power) == n

    @pytest.mark.parametrize(
        ("effect", "power", "n"), [(0.5, 0.8, 64), (0.8, 0.8, 26), (0.5, 0.95, 105)]
    )
    def test_of_two_samples_per_group(self, effect: float, power: float, n: int) -> None:
        # Cohen 1988, table 2.4.1; G*Power 3.1
        assert seeds(Spread("welch", math.sqrt(2), 9.0, 2.0), effect, power) == n

    def test_power_grows_with_seeds_and_what_is_out_of_reach_has_no_number(self) -> None:
        spread = Spread("paired", 1.0, 2.0, 1.0)
        assert power_of(spread, 0.3, 10) < power_of(spread, 0.3, 20) < power_of(spread, 0.3, 200)
        assert math.isnan(seeds(spread, 0.01, 0.8))


class TestSpread:
    def test_equal_seeds_are_paired(self) -> None:
        own, other = row("a", [20.0, 21.0, 22.5]), row("b", [19.0, 20.5, 21.0])
        found = spread_of(pd.DataFrame(own), pd.DataFrame(other), "psnr")
        # differences 1, 0.5, 1.5
        assert found == Spread("paired", pytest.approx(0.5), 2, 1.0)  # type: ignore[arg-type]

    def test_other_seeds_are_not(self) -> None:
        own, other = row("a", [20.0, 21.0, 22.0]), row("b", [10.0, 12.0, 14.0], first_seed=7)
        found = spread_of(pd.DataFrame(own), pd.DataFrame(other), "psnr")
        assert found is not None
        assert found.test == "welch"
        assert found.std == pytest.approx(math.sqrt(1 + 4))
        # Welch–Satterthwaite: (1/3 + 4/3)² / ((1/3)²/2 + (4/3)²/2)
        assert found.df == pytest.approx((5 / 3) ** 2 / ((1 / 9 + 16 / 9) / 2))
        assert found.ratio * 2 == pytest.approx(found.df)

    def test_a_ratio_varies_in_its_logarithm(self) -> None:
        own, other = row("a", [10.0, 20.0]), row("b", [10.0, 10.0])
        found = spread_of(pd.DataFrame(own), pd.DataFrame(other), "iter_ms")
        assert found is not None
        assert found.std == pytest.approx(math.log(2) / math.sqrt(2))


class TestNeeded:
    def test_a_row_with_its_interval(self) -> None:
        cells = pd.DataFrame([*row("base", [20, 21, 22.5]), *row("new", [19, 20.5, 21])])
        found = seeds_needed.needed(cells, "base", 0.5).iloc[0]
        assert (found["method"], found["n"], found["test"]) == ("new", 3, "paired")
        assert found["std"] == pytest.approx(0.5)
        # χ²(2) has its 10 % and 90 % quantiles at −2 ln 0.9 and −2 ln 0.1
        assert found["std_low"] == pytest.approx(0.5 * math.sqrt(2 / (-2 * math.log(0.1))))
        assert found["std_high"] == pytest.approx(0.5 * math.sqrt(2 / (-2 * math.log(0.9))))
        assert found["seeds_80"] == 10
        assert found["seeds_80_low"] < 10 < found["seeds_80_high"]
        assert found["seeds_95"] > 10

    def test_one_seed_gives_no_variance_and_says_so(self) -> None:
        cells = pd.DataFrame([*row("base", [20, 21]), *row("new", [19])])
        found = seeds_needed.needed(cells, "base", 0.2).iloc[0]
        assert found["n"] == 1
        assert pd.isna(found["seeds_80"])
        assert "fewer than two seeds" in found["reason"]

    def test_what_does_not_vary_needs_no_test(self) -> None:
        cells = pd.DataFrame([*row("base", [20, 20]), *row("new", [19, 19])])
        assert seeds_needed.needed(cells, "base", 0.2)["reason"].tolist() == ["does not vary"]

    def test_a_baseline_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="unknown baseline 'other'"):
            seeds_needed.needed(pd.DataFrame(row("base", [20, 20])), "other", 0.2)
