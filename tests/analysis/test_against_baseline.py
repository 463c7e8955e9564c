"""Marks against the baseline: only what is tested, adjusted over the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import against_baseline, significance
from effbench.analysis.against_baseline import TESTED, against, marked
from tests.analysis.test_rows_compared import COMMON


def table(**rows: Sequence[float]) -> tuple[pd.DataFrame, pd.Series[int]]:
    """Return cells of rows by their PSNR, and the cells' rows."""
    parts = []
    for method, psnr in rows.items():
        figures: dict[str, Any] = dict.fromkeys(TESTED, float("nan"))
        about = {**figures, **COMMON, "method": method, "label": method}
        numbers = {"repetition": range(len(psnr)), "seed": range(len(psnr)), "psnr": psnr}
        parts.append(pd.DataFrame({**about, **numbers}))
    cells = pd.concat(parts, ignore_index=True)
    return cells, cells.groupby("method", sort=False).ngroup()


def test_better_and_worse_after_holm() -> None:
    cells, row = table(
        base=[20.0, 20.2, 20.1, 20.3],
        same=[20.1, 20.1, 20.2, 20.1],
        up=[21.0, 21.21, 21.1, 21.3],
        down=[19.0, 19.2, 19.11, 19.3],
    )
    found = against(cells, row, "base")
    assert list(found["baseline"]) == ["", "base", "base", "base"]
    assert list(found["better"]) == ["", "", "psnr", ""]
    assert list(found["worse"]) == ["", "", "", "psnr"]
    assert found["psnr_p"].isna().tolist() == [True, False, False, False]
    # Three tests: Holm multiplies the smallest p by 3. up: differences 1, 1.01, 1, 1
    alone = against(*table(base=[20.0, 20.2, 20.1, 20.3], up=[21.0, 21.21, 21.1, 21.3]), "base")
    assert found["psnr_p"][2] == pytest.approx(3 * alone["psnr_p"][1])


def test_a_difference_that_is_lost_among_many_rows_is_not_marked() -> None:
    rows = {f"r{i}": [20.0, 20.3, 20.1 + i / 100] for i in range(20)}
    up = {"base": [20.0, 20.2, 20.1], "up": [20.5, 20.8, 20.55]}
    assert against(*table(**up), "base")["better"][1] == "psnr"
    assert against(*table(**up, **rows), "base")["better"][1] == ""


def test_without_a_baseline_or_with_several_nothing_is_marked() -> None:
    cells, row = table(base=[20.0, 20.2], up=[21.0, 21.3])
    for name, frame in ((None, cells), ("other", cells)):
        assert set(against(frame, row, name)["baseline"]) == {""}
    again = cells.assign(label="base")
    assert set(against(again, row, "base")["baseline"]) == {""}


def test_other_conditions_are_not_compared() -> None:
    cells, row = table(base=[20.0, 20.2], up=[21.0, 21.3])
    cells["threads"] = ["2", "2", "8", "8"]
    assert set(against(cells, row, "base")["baseline"]) == {""}


def test_every_table_is_adjusted_for_itself_as_holm_says() -> None:
    p = pd.Series([0.04, 0.01, 0.03, math.nan, 0.5, 0.02], index=range(10, 16))
    table = pd.Series([0, 0, 0, 0, 1, 1], index=p.index)
    found = against_baseline._adjusted(p, table)
    assert found[p.notna()].tolist() == pytest.approx(
        [*significance.holm([0.04, 0.01, 0.03]), *significance.holm([0.5, 0.02])]
    )
    assert math.isnan(found[13])


def test_a_mark_is_of_a_whole_name() -> None:
    assert marked("iter_ms_mean,psnr", "psnr")
    assert not marked("iter_ms_mean", "iter_ms")
    assert not marked("", "psnr")
