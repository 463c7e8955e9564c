"""Fronts in figures, of committed records."""

from __future__ import annotations

from pathlib import Path

from effbench.records import results
from effbench.report.page import fronts
from effbench.report.page.summary import Extra

RECORDS = Path(__file__).parents[2] / "golden" / "records"


def tables(run: str) -> dict[str, Extra]:
    folders = [RECORDS / run]
    found = results.load(folders)
    return {
        e.title: e for e in fronts.extras(found, results.leaderboard(folders, found.cells.items()))
    }


def test_volumes_have_intervals_where_there_are_seeds() -> None:
    volumes = tables("mining")["Hypervolume of the fronts"]
    assert len(volumes.rows) == len(fronts.COSTS)
    assert all(row[1:3] == ["8", "3"] and " to " in row[-1] for row in volumes.rows)
    single = tables("distilling")["Hypervolume of the fronts"]
    assert {row[-1] for row in single.rows} == {""}


def test_quantised_rows_have_a_rate_on_every_scene() -> None:
    rates = tables("distilling")["Size at equal PSNR (BD-rate)"].rows
    assert len(rates) == 2
    assert all(row[1] == "the same unquantised" and row[3].startswith("−") for row in rates)


def test_what_has_no_rate_says_why() -> None:
    rates = tables("pruning")["Size at equal PSNR (BD-rate)"].rows
    assert {row[-1] for row in rates} == {"a side has 1 of the 2 points it takes"}


def test_no_records_have_no_tables(tmp_path: Path) -> None:
    found = results.load([tmp_path])
    assert fronts.extras(found, results.leaderboard([tmp_path], [])) == []
