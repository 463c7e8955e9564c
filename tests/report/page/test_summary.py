"""The first words of a report: who leads, and what intervals say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from effbench.records import results, tables
from effbench.records.results import Results
from effbench.report.page import summary
from tests.acceleration_run import write_run
from tests.results_folder import PRUNING, write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = tmp_path_factory.mktemp("run")
    write_results(folder, views=0)
    return results.load([folder])


@pytest.mark.parametrize(
    ("measure", "low", "high", "expected"),
    [
        ("psnr_gain", 0.1, 0.3, "better"),
        ("psnr_gain", -0.3, -0.1, "worse"),
        ("psnr_gain", -0.1, 0.3, "same"),
        ("iter_ratio", 0.4, 0.9, "better"),
        ("iter_ratio", 1.1, 1.9, "worse"),
        ("size_ratio", 0.9, 1.0, "same"),
        ("size_ratio", math.nan, math.nan, "unknown"),
    ],
)
def test_an_interval_decides(measure: str, low: float, high: float, expected: str) -> None:
    assert summary.judge(measure, low, high) == expected


def test_the_best_of_each_figure_is_named(found: Results) -> None:
    groups = summary.best(tables.leaderboard(found.records))
    assert [title for title, _ in groups] == ["procedural/blocks", "procedural/spheres"]
    leaders = {one.name: (one.value, one.who) for one in groups[0][1]}
    assert leaders["PSNR"][1] == "instant-ngp"
    size, who = leaders["model size"]
    assert size == "0.710 MB"
    assert who.startswith("nerf-pruned selection=")
    assert who.endswith(" and 2 more")  # pruned to the same width


def test_rows_are_compared_with_the_baseline(found: Results) -> None:
    table, _ = summary.against(found, "nerf")
    assert table.headings[:2] == ["ΔPSNR (dB)", "iteration time (×)"]
    assert len(table.rows) == len(PRUNING) - 1
    name, test, cells = table.rows[0]
    assert (name, test) == ("instant-ngp", "paired, n=3")
    assert cells[0].value.startswith("+6.")
    assert cells[0].verdict == "better"
    assert cells[1].value == "0.42×"
    assert cells[3].verdict == "worse"  # larger than the vanilla network
    assert summary.against(found, None) == []


def test_means_are_over_all_scenes(found: Results) -> None:
    ((title, _, headings, rows),) = summary.means(tables.leaderboard(found.records))
    assert title == "pruning, 10s, a CPU: mean of 2 scenes"
    assert headings[0] == "PSNR dB"
    assert rows[0][0] == "instant-ngp"
    assert len(rows) == len(PRUNING)


def test_statuses_are_counted(found: Results) -> None:
    assert summary.counts(found) == {"ok": 2 * 3 * len(PRUNING)}


def test_switches_stand_with_what_is_claimed_of_them(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "plan.json").write_text('{"paper": "pytorch-acceleration"}', encoding="utf-8")
    (one,) = summary.tested(results.load([tmp_path]))
    assert one.title == "procedural/blocks"
    assert (one.headings[0], one.headings[-1]) == ("row", "verdict")
    told = {row[0]: row[-2:] for row in one.rows}
    assert told["instant-ngp sampling=uniform"] == ["guide: occupancy skipping", "confirmed"]
    claim, (line,) = one.claims[0]
    assert claim.startswith("Occupancy skipping. Guide: skipping empty space")
    assert line.endswith("4.00 ± 0.00× (95 %: 4.00 to 4.00×; paired, n=3) – confirmed.")
