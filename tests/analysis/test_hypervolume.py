"""Hypervolumes: areas worked out by hand, and their bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import pytest

from effbench.analysis.hypervolume import hypervolume, of_rows


def test_an_area_of_steps() -> None:
    # From (1, 2) to the point (4, 0): 1 wide and 2 high up to (2, 3), which is 2 wide and 3 high
    assert hypervolume([1.0, 2.0], [2.0, 3.0], (4.0, 0.0)) == 1 * 2 + 2 * 3
    assert hypervolume([2.0, 1.0, 3.0], [3.0, 2.0, 2.5], (4.0, 0.0)) == 8.0  # the third is beaten
    assert hypervolume([5.0, 1.0], [2.0, -1.0], (4.0, 0.0)) == 0.0
    assert hypervolume([1.0, 1.0], [2.0, 3.0], (4.0, 0.0)) == 9.0


def cells(**rows: Sequence[tuple[float, float]]) -> pd.DataFrame:
    points = [(name, *seed) for name, seeds in rows.items() for seed in seeds]
    return pd.DataFrame(points, columns=["row", "model_mb", "psnr"])


def test_costs_count_by_factors_of_two() -> None:
    found = of_rows(cells(a=[(1.0, 22.0)], b=[(4.0, 25.0)], c=[(8.0, 20.0)]), "model_mb")
    assert found is not None
    # The point is 8 MB, 20 dB: a reaches 2 factors to b at 2 dB, b one factor to it at 5 dB
    point = (found.cost, found.quality, found.volume)
    assert point == pytest.approx((8.0, 20.0, 2 * 2 + 1 * 5))
    assert (found.rows, found.seeds) == (3, 1)
    assert math.isnan(found.low)


def test_the_interval_is_of_seeds() -> None:
    steady = cells(a=[(1.0, 22.0)] * 3, b=[(4.0, 20.0)] * 3)
    found = of_rows(steady, "model_mb")
    assert found is not None
    assert (found.low, found.volume, found.high) == (4.0, 4.0, 4.0)
    noisy = of_rows(
        cells(a=[(1.0, v) for v in (21.0, 22.0, 23.0)], b=[(4.0, 20.0)] * 3), "model_mb"
    )
    assert noisy is not None
    # Means of three draws with replacement from 21, 22, 23 lie between 21 and 23 dB
    assert 2.0 <= noisy.low < noisy.volume == pytest.approx(4.0)
    assert noisy.volume < noisy.high <= 6.0


def test_one_row_has_none() -> None:
    assert of_rows(cells(a=[(1.0, 22.0)]), "model_mb") is None
    assert of_rows(cells(a=[(1.0, 22.0)], b=[(math.nan, 20.0)]), "model_mb") is None
