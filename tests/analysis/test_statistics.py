"""Statistics over seeds, scenes and curves: every figure worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from effbench.analysis import statistics
from effbench.errors import ConfigError

NAN = math.nan
COMMON = {
    "suite": "s",
    "variant": "",
    "scene": "a",
    "manifest": "m",
    "budget": "60s",
    "device": "CPU",
    "settings": "{}",
    "status": "ok",
}
FIGURES = dict.fromkeys(["render_ms", "peak_mem_mb", "saved_mb", "model_mb"], 8.0)


def cells(
    method: str, psnr: Sequence[float], iter_ms: Sequence[float] | None = None, **changes: str
) -> pd.DataFrame:
    """Return a row's cells, repetitions from 0; NaN: a figure that was not measured."""
    about: dict[str, Any] = {**COMMON, "method": method, **changes, **FIGURES}
    times = iter_ms or [10.0] * len(psnr)
    return pd.DataFrame({"repetition": range(len(psnr)), "psnr": psnr, "iter_ms": times}).assign(
        **about
    )


class TestBootstrap:
    def test_three_values_give_their_range(self) -> None:
        # all three draws are the smallest in 1 of 27 resamples, more often than in 2.5 %
        assert statistics.bootstrap_interval([1.0, 2.0, 4.0]).tolist() == [1.0, 4.0]

    def test_two_values_of_ten_leave_a_mean_in_between(self) -> None:
        # Draws of the one 1 among nine 0 are binomial(10, 0.1): P(0) = 0.349, so the lower end is
        # 0; P(≤ 2) = 0.930 and P(≤ 3) = 0.987, so the upper end is 3 in 10.
        low, high = statistics.bootstrap_interval([1.0] + [0.0] * 9)
        assert (low, high) == (0.0, pytest.approx(0.3))

    def test_many_normal_values_give_students_interval(self) -> None:
        values = np.random.default_rng(1).normal(20, 0.2, 400)
        low, high = statistics.bootstrap_interval(values)
        half = 1.96 * values.std(ddof=1) / 20
        assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
        assert high == pytest.approx(values.mean() + half, abs=0.1 * half)

    def test_rows_are_independent_and_always_the_same(self) -> None:
        both = statistics.bootstrap_interval([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
        assert both.tolist() == [[1.0, 4.0], [3.0, 3.0]]

    def test_one_value_has_no_interval(self) -> None:
        assert np.isnan(statistics.bootstrap_interval([1.0])).all()
        assert statistics.bootstrap_interval(np.empty([4, 1])).shape == (4, 2)


class TestDescribe:
    def test_mean_deviation_number_and_interval_over_finished_seeds(self) -> None:
        table = pd.concat(
            [
                cells("a", [20.0, 21.0, 22.5]),
                cells("a", [99.0], status="diverged"),
                cells("b", [30.0]),
            ]
        )
        found = statistics.describe(table, ["method"], ["psnr"])
        a, b = found.to_dict("records")
        assert (a["method"], a["figure"], a["n"]) == ("a", "psnr", 3)
        assert a["mean"] == pytest.approx(63.5 / 3)
        assert a["std"] == pytest.approx((114 / 72) ** 0.5)  # as in test_tables
        assert (a["low"], a["high"]) == (20.0, 22.5)
        assert (b["n"], b["mean"]) == (1, 30.0)
        assert all(math.isnan(b[name]) for name in ("std", "low", "high"))

    def test_a_figure_counts_only_where_it_was_measured(self) -> None:
        found = statistics.describe(cells("a", [20.0, NAN]), ["method"], ["psnr", "iter_ms"])
        assert dict(zip(found["figure"], found["n"], strict=True)) == {"psnr": 1, "iter_ms": 2}

    def test_no_finished_cell_no_row(self) -> None:
        table = cells("a", [20.0], status="oom")
        assert statistics.describe(table, ["method"], ["psnr"]).empty


class TestOverScenes:
    TABLE = pd.concat(
        [
            cells("a", [20.0, 22.0], scene="x"),
            cells("a", [30.0, 36.0], scene="y"),
            cells("b", [20.0], scene="x"),
        ]
    )

    def test_means_per_repetition_only_over_complete_sets(self) -> None:
        found = statistics.over_scenes(self.TABLE, ["psnr", "iter_ms"])
        assert found["method"].tolist() == ["a", "a"]
        assert found["psnr"].tolist() == [25.0, 29.0]
        assert found["scene"].unique().tolist() == ["mean of 2 scenes"]
        described = statistics.describe(found, ["method"], ["psnr"])
        assert described["mean"].tolist() == [27.0]

    def test_a_repetition_that_failed_on_one_scene_has_no_mean(self) -> None:
        table = self.TABLE.reset_index(drop=True)
        table.loc[3, "status"] = "oom"
        assert statistics.over_scenes(table, ["psnr"])["psnr"].tolist() == [25.0]

    def test_the_set_may_be_given(self) -> None:
        found = statistics.over_scenes(self.TABLE, ["psnr"], ["x"])
        assert sorted(found["psnr"]) == [20.0, 20.0, 22.0]
        assert statistics.over_scenes(self.TABLE, ["psnr"], ["x", "y", "z"]).empty

    def test_a_figure_that_one_scene_lacks_has_no_mean(self) -> None:
        table = pd.concat([cells("a", [20.0], scene="x"), cells("a", [NAN], scene="y")])
        assert statistics.over_scenes(table, ["psnr"])["psnr"].isna().all()


def rows_of(found: pd.DataFrame) -> dict[tuple[str, str], Any]:
    """Return the rows of `paired` by variant and measure."""
    return {(row["variant"], row["measure"]): row for row in found.to_dict("records")}


class TestPaired:
    TABLE = pd.concat(
        [
            cells("ngp", [20.0, 21.0, 22.0], [10.0, 20.0, 10.0]),
            cells("hsm", [21.0, 23.0], [5.0, 5.0]),
            cells("hsm", [18.0], variant="b=2", scene="other"),
        ]
    )

    def test_differences_and_ratios_within_pairs(self) -> None:
        found = rows_of(statistics.paired(self.TABLE, "ngp"))
        gain, ratio = found["", "psnr_gain"], found["", "iter_ratio"]
        assert (gain["n"], gain["mean"], gain["std"]) == (2, 1.5, pytest.approx(0.5**0.5))
        assert (ratio["n"], ratio["mean"]) == (2, 0.375)
        assert found["", "size_ratio"]["mean"] == 1.0

    def test_a_row_without_its_baseline_has_no_pair(self) -> None:
        found = rows_of(statistics.paired(self.TABLE, "ngp"))
        assert found["b=2", "psnr_gain"]["n"] == 0

    def test_other_scene_files_are_no_pair(self) -> None:
        table = pd.concat([cells("ngp", [20.0]), cells("hsm", [21.0], manifest="other")])
        assert set(statistics.paired(table, "ngp")["n"]) == {0}

    def test_a_baseline_may_be_named_with_its_variant(self) -> None:
        table = pd.concat([cells("hsm", [20.0], variant="b=1"), cells("hsm", [21.0])])
        found = statistics.paired(table, "hsm b=1")
        assert found[found["measure"] == "psnr_gain"]["mean"].tolist() == [1.0]

    def test_a_baseline_that_is_not_there_or_not_one_row_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="unknown baseline 'npg': did you mean ngp"):
            statistics.paired(self.TABLE, "npg")
        table = pd.concat([cells("hsm", [20.0], variant=v) for v in ("b=1", "b=2")])
        with pytest.raises(ConfigError, match="'hsm' is several rows: name one of hsm b=1, hsm b="):
            statistics.paired(table, "hsm")
        table = pd.concat([cells("hsm", [20.0], settings=s) for s in ("{}", '{"lr": 1}')])
        with pytest.raises(ConfigError, match="several sets of parameters: name one run's folder"):
            statistics.paired(table, "hsm")


class TestTimesToPsnr:
    CURVES = pd.concat(
        [
            pd.DataFrame({"train_s": [10.0, 20.0, 40.0], "psnr": psnr}).assign(seed=seed)
            for seed, psnr in enumerate([[20.0, 24.0, 26.0], [26.0, 27.0, 28.0], [20.0, 21.0, NAN]])
        ]
    )

    def test_interpolated_or_censored_at_either_end(self) -> None:
        found = statistics.times_to_psnr(self.CURVES, 25.0, ["seed"])
        assert found["time_s"].tolist() == [30.0, 10.0, 20.0]
        assert found["censored"].tolist() == ["", "left", "right"]

    @pytest.mark.parametrize(
        ("times", "censored", "median", "bound", "reached"),
        [
            ([10.0, 30.0, 40.0], ["", "", "right"], 30.0, "", 2),
            ([10.0, 40.0, 40.0], ["", "right", "right"], 40.0, "right", 1),
            ([5.0, 20.0, 30.0], ["left", "", ""], 20.0, "", 3),
            ([5.0, 5.0, 30.0], ["left", "left", ""], 5.0, "left", 3),
            ([10.0, 40.0], ["", "right"], 25.0, "right", 1),
        ],
    )
    def test_a_median_is_exact_unless_half_are_censored(
        self, times: list[float], censored: list[str], median: float, bound: str, reached: int
    ) -> None:
        table = pd.DataFrame({"time_s": times, "censored": censored}).assign(method="a")
        (found,) = statistics.median_time(table, ["method"]).to_dict("records")
        assert (found["median_s"], found["censored"]) == (median, bound)
        assert (found["n"], found["reached"]) == (len(times), reached)


class TestPareto:
    def test_the_front_in_the_plane_of_psnr_and_size(self) -> None:
        frame = pd.DataFrame(
            {
                "psnr": [20.0, 25.0, 24.0, 30.0, 19.0, NAN],
                "model_mb": [1.0, 2.0, 3.0, 4.0, 1.0, 0.1],
            }
        )
        assert statistics.pareto(frame, "model_mb").tolist() == [
            True,
            True,
            False,  # larger and worse than the second
            True,
            False,  # as small as the first, but worse
            False,  # without a PSNR
        ]

    def test_equal_rows_are_on_it_together_and_groups_have_their_own(self) -> None:
        frame = pd.DataFrame(
            {"scene": list("xxyy"), "psnr": [20.0, 20.0, 10.0, 9.0], "iter_ms": [1.0, 1.0, 5.0, 6]},
            index=[3, 1, 7, 0],
        )
        assert statistics.pareto(frame, "iter_ms", by=["scene"]).to_dict() == {
            3: True,
            1: True,
            7: True,
            0: False,
        }

    def test_an_empty_table_has_an_empty_front(self) -> None:
        assert statistics.pareto(pd.DataFrame(columns=["psnr", "model_mb"]), "model_mb").empty
