"""Pareto fronts: rows that nothing beats."""

from __future__ import annotations

import math

import pandas as pd

from effbench.analysis.pareto import pareto

NAN = math.nan


class TestPareto:
    def test_the_front_in_the_plane_of_psnr_and_size(self) -> None:
        frame = pd.DataFrame(
            {
                "psnr": [20.0, 25.0, 24.0, 30.0, 19.0, NAN],
                "model_mb": [1.0, 2.0, 3.0, 4.0, 1.0, 0.1],
            }
        )
        assert pareto(frame, "model_mb").tolist() == [
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
        assert pareto(frame, "iter_ms", by=["scene"]).to_dict() == {
            3: True,
            1: True,
            7: True,
            0: False,
        }

    def test_an_empty_table_has_an_empty_front(self) -> None:
        assert pareto(pd.DataFrame(columns=["psnr", "model_mb"]), "model_mb").empty
