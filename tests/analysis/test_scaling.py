"""What several ranks gain over one, by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from effbench.analysis.scaling import ranks_of, scaling, without_ranks
from effbench.records.record import Record
from effbench.records.scaling import section
from effbench.records.tables import leaderboard


def row(variant: str, iter_ms: float, **changes: Any) -> Record:
    about = {
        "cell_id": f"{variant}{changes}",
        "suite": "s",
        "method": "ngp",
        "variant": variant,
        "scene": {"key": "blocks", "name": "procedural/blocks", "manifest": "abc"},
        "budget": "60s",
        "seed": 0,
        "time": {"iter_ms_mean": iter_ms},
        "device": "CPU",
    }
    return Record(**{**about, **changes})


def board(*records: Record) -> pd.DataFrame:
    return leaderboard(records)


def test_ranks_are_read_off_the_end_of_a_variant() -> None:
    assert [ranks_of(v) for v in ("", "lr=1", "ranks=2", "lr=1,ranks=16")] == [1, 1, 2, 16]
    assert [without_ranks(v) for v in ("lr=1", "ranks=2", "lr=1,ranks=2")] == ["lr=1", "", "lr=1"]


def test_a_row_is_held_against_that_of_one_rank_with_its_settings() -> None:
    rows = (row("", 12.0), row("lr=1", 99.0), row("ranks=2", 8.0), row("ranks=4", 4.0))
    found = scaling(board(*rows)).sort_values("ranks").to_dict("records")
    assert [(r["variant"], r["ranks"]) for r in found] == [("ranks=2", 2), ("ranks=4", 4)]
    assert [(r["speedup"], r["efficiency"]) for r in found] == [(1.5, 0.75), (3.0, 0.75)]


def test_without_a_row_of_one_rank_there_is_nothing_to_gain_over() -> None:
    for rows in ([], [row("lr=1", 12.0)], [row("", 12.0, device="other")]):
        (found,) = scaling(board(*rows, row("ranks=2", 8.0))).to_dict("records")
        assert math.isnan(found["speedup"])
        assert math.isnan(found["efficiency"])


def test_the_leaderboard_has_a_table_only_where_there_are_several_ranks() -> None:
    assert section(board(row("", 12.0))) == []
    heading, table, legend = section(board(row("", 12.0), row("ranks=2", 8.0)))
    assert heading == "### By ranks"
    assert [cell.strip() for cell in table.splitlines()[-1].split("|")[1:-1]] == [
        "ngp ranks=2",
        "2",
        "8.00",
        "1.50",
        "75%",
    ]
    assert "efficiency" in legend
