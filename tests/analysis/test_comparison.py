"""Comparisons of paired repetitions: every figure worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from effbench.analysis import comparison
from effbench.analysis.measures import CLAIMED

NAN = math.nan


def cells(name: str, psnr: list[float], iter_ms_mean: list[float]) -> pd.DataFrame:
    """Return a row's cells, repetitions from 0; NaN: a figure that was not measured."""
    return pd.DataFrame(
        {
            "cell": [f"{name}{i}" for i in range(len(psnr))],
            "repetition": range(len(psnr)),
            "seed": range(len(psnr)),
            "psnr": psnr,
            "iter_ms_mean": iter_ms_mean,
            "saved_mb": [10.0] * len(psnr),
            "steady_mem_mb": [20.0] * len(psnr),
        }
    )


def curve(times: list[float], psnr: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"train_s": times, "psnr": psnr})


class TestPairs:
    def test_repetitions_are_joined_and_those_of_one_side_alone_left_out(self) -> None:
        own = cells("a", [21.0, 22.0, 23.0], [5.0, 6.0, 7.0]).iloc[[2, 0]]
        other = cells("b", [20.0, 20.5], [10.0, 10.0])
        pairs = comparison.pair(own, other)
        assert list(zip(pairs["cell"], pairs["cell_baseline"], strict=True)) == [("a0", "b0")]
        assert list(comparison.differences(pairs, "psnr")) == [1.0]
        assert list(comparison.ratios(pairs, "iter_ms_mean")) == [0.5]

    def test_pairs_without_a_figure_or_with_nothing_to_divide_by_are_left_out(self) -> None:
        own = cells("a", [21.0, NAN, 23.0], [5.0, 6.0, 7.0])
        pairs = comparison.pair(own, cells("b", [20.0, 20.0, 20.0], [10.0, NAN, 0.0]))
        assert list(comparison.differences(pairs, "psnr")) == [1.0, 3.0]
        assert list(comparison.ratios(pairs, "iter_ms_mean")) == [0.5]

    def test_nothing_in_common_is_no_pair(self) -> None:
        nothing = cells("a", [], [])
        assert comparison.pair(nothing, cells("b", [20.0], [1.0])).empty


def test_all_measures_of_a_row_against_a_baseline() -> None:
    own = cells("a", [21.0, 23.0], [5.0, 6.0])
    other = cells("b", [20.0, 20.0], [10.0, 10.0])
    curves = pd.concat(
        [
            curve([10.0, 20.0], [10.0, 20.0]).assign(cell=name)
            if name.startswith("b")
            else curve([5.0, 10.0], [10.0, 20.0]).assign(cell=name)
            for name in ("a0", "a1", "b0", "b1")
        ]
    )
    found = comparison.compare(own, other, curves)
    assert list(found) == list(CLAIMED)
    assert {name: summary.mean for name, summary in found.items()} == pytest.approx(
        {
            **{"iter_ratio": 0.3**0.5, "steady_ratio": 1.0, "saved_ratio": 1.0},
            **{"psnr_gain": 2.0, "speedup": 2.0},
        }
    )
    assert {summary.n for summary in found.values()} == {2}


def test_without_curves_there_is_no_speedup_but_everything_else() -> None:
    own, other = cells("a", [21.0], [5.0]), cells("b", [20.0], [10.0])
    found = comparison.compare(own, other, pd.DataFrame(columns=["cell", "train_s", "psnr"]))
    assert {name: summary.n for name, summary in found.items()} == {
        "iter_ratio": 1,
        "steady_ratio": 1,
        "saved_ratio": 1,
        "psnr_gain": 1,
        "speedup": 0,
    }
