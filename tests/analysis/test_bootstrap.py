"""Means over drawn seeds: their spread is that of means of new seeds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from effbench.analysis.bootstrap import drawn_means, interval


def test_the_spread_is_that_of_a_mean_and_a_single_seed_has_none() -> None:
    cells = pd.DataFrame({"psnr": [20.0, 21.0, 22.5, 30.0], "model_mb": [1.0, 2.0, 4.0, 8.0]})
    row = pd.Series([0, 0, 0, 1])
    drawn = drawn_means(cells, row, ["psnr", "model_mb"], positive=["model_mb"], draws=20000)
    assert drawn["psnr"].shape == (20000, 2)
    assert drawn["psnr"][:, 0].mean() == pytest.approx(63.5 / 3, abs=0.02)
    # sample deviation √(114/72) over √3
    assert drawn["psnr"][:, 0].std() == pytest.approx(math.sqrt(114 / 72 / 3), rel=0.02)
    assert (drawn["psnr"][:, 1] == 30.0).all()
    assert (drawn["model_mb"] > 0).all()


def test_figures_of_a_cell_are_drawn_together() -> None:
    cells = pd.DataFrame({"a": [1.0, 2.0, 5.0], "b": [10.0, 20.0, 50.0]})
    drawn = drawn_means(cells, pd.Series([0, 0, 0]), ["a", "b"], draws=50)
    np.testing.assert_allclose(drawn["b"], 10 * drawn["a"])


def test_an_interval_needs_nearly_all_draws() -> None:
    values = np.linspace(0, 100, 1001)
    assert interval(values) == pytest.approx((2.5, 97.5))
    values[:60] = math.nan
    assert all(map(math.isnan, interval(values)))
