"""Samples per ray: as recorded, of the last step where a record says no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from effbench.records import samples
from effbench.records.record import Record
from effbench.records.results import Results

CELL = Record("a", "s", "m", {"key": "x", "name": "x/y"}, "9s", 0)


@pytest.mark.parametrize(
    ("facts", "per_ray", "skipped"),
    [
        ({"samples_per_ray": 4.5, "samples_skipped": 0.96}, 4.5, 0.96),
        ({"samples_per_ray": 0.0, "rays_last_step": 2, "samples_last_step": 8}, 0.0, None),
        ({"rays_last_step": 200, "samples_last_step": 700}, 3.5, None),
        ({"rays_last_step": 0, "samples_last_step": 0}, None, None),
        ({}, None, None),
    ],
)
def test_what_a_cell_recorded(
    facts: dict[str, Any], per_ray: float | None, skipped: float | None
) -> None:
    found = Results((), {Path("cells/a"): replace(CELL, facts=facts)})
    (row,) = samples.per_cell(found).to_dict("records")
    assert row["cell"] == "cells/a"
    for told, expected in ((row["samples_per_ray"], per_ray), (row["skipped"], skipped)):
        assert pd.isna(told) if expected is None else told == expected


def test_cells_that_did_not_finish_have_none() -> None:
    found = Results((), {Path("a"): replace(CELL, status="oom")})
    assert samples.per_cell(found).empty
