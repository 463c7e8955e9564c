"""Every row against a named baseline: figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import comparison
from effbench.errors import ConfigError

COMMON = {
    "suite": "s",
    "variant": "",
    "scene": "a",
    "manifest": "m",
    "eval_views": "25",
    "threads": "2",
    "budget": "60s",
    "device": "CPU",
    "settings": "{}",
    "status": "ok",
}
FIGURES = dict.fromkeys(["render_ms", "peak_mem_mb", "saved_mb", "model_mb"], 8.0)


def cells(
    method: str,
    psnr: Sequence[float],
    iter_ms: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    **changes: str,
) -> pd.DataFrame:
    """Return a row's cells, repetitions and seeds from 0; NaN: a figure that was not measured."""
    about: dict[str, Any] = {**COMMON, "method": method, **changes, **FIGURES}
    times = iter_ms or [10.0] * len(psnr)
    return pd.DataFrame(
        {"repetition": range(len(psnr)), "psnr": psnr, "iter_ms_mean": times}
    ).assign(seed=seeds or list(range(len(psnr))), **about)


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
        found = rows_of(comparison.paired(self.TABLE, "ngp"))
        gain, ratio = found["", "psnr_gain"], found["", "iter_ratio"]
        assert (gain["n"], gain["mean"], gain["std"]) == (2, 1.5, pytest.approx(0.5**0.5))
        # ½ and ¼: √(½ · ¼)
        assert (ratio["n"], ratio["mean"]) == (2, pytest.approx(8**-0.5))
        assert {gain["test"], ratio["test"]} == {"paired"}
        size = found["", "size_ratio"]
        assert (size["low"], size["mean"], size["high"]) == (1.0, 1.0, 1.0), "it does not vary"

    def test_rows_of_other_seeds_are_not_paired(self) -> None:
        table = pd.concat([cells("ngp", [1.0, 2.0, 3.0]), cells("hsm", [3.0, 4.0, 5.0])])
        gain = rows_of(comparison.paired(table, "ngp"))["", "psnr_gain"]
        assert (gain["test"], gain["low"], gain["high"]) == ("paired", 2.0, 2.0)
        table = pd.concat(
            [cells("ngp", [1.0, 2.0, 3.0]), cells("hsm", [3.0, 4.0, 5.0], seeds=[0, 1, 7])]
        )
        gain = rows_of(comparison.paired(table, "ngp"))["", "psnr_gain"]
        # variances of 1: √(1/3 + 1/3) and 4 degrees of freedom, t = 2.77645
        half = 2.77645 * (2 / 3) ** 0.5
        assert (gain["test"], gain["mean"]) == ("unpaired", 2.0)
        assert (gain["low"], gain["high"]) == pytest.approx((2 - half, 2 + half), abs=1e-4)

    def test_a_row_without_its_baseline_has_no_pair(self) -> None:
        found = rows_of(comparison.paired(self.TABLE, "ngp"))
        assert found["b=2", "psnr_gain"]["n"] == 0

    def test_other_scene_files_are_no_pair(self) -> None:
        table = pd.concat([cells("ngp", [20.0]), cells("hsm", [21.0], manifest="other")])
        assert set(comparison.paired(table, "ngp")["n"]) == {0}

    def test_a_baseline_may_be_named_with_its_variant(self) -> None:
        table = pd.concat([cells("hsm", [20.0], variant="b=1"), cells("hsm", [21.0])])
        found = comparison.paired(table, "hsm b=1")
        assert found[found["measure"] == "psnr_gain"]["mean"].tolist() == [1.0]

    def test_a_baseline_that_is_not_there_or_not_one_row_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="unknown baseline 'npg': did you mean ngp"):
            comparison.paired(self.TABLE, "npg")
        table = pd.concat([cells("hsm", [20.0], variant=v) for v in ("b=1", "b=2")])
        with pytest.raises(ConfigError, match="'hsm' is several rows: name one of hsm b=1, hsm b="):
            comparison.paired(table, "hsm")
        table = pd.concat([cells("hsm", [20.0], settings=s) for s in ("{}", '{"lr": 1}')])
        with pytest.raises(ConfigError, match="several sets of parameters: name one run's folder"):
            comparison.paired(table, "hsm")
