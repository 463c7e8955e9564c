"""`effbench power` on committed records."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from effbench.cli.app import main

RECORDS = Path(__file__).parents[1] / "golden" / "records"


def run(run: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["power", str(RECORDS / run), *words])


def test_more_is_needed_for_less() -> None:
    small, large = (
        json.loads(run("mining", "--effect", effect, "--format", "json").output)
        for effect in ("0.2", "1")
    )
    assert len(small) == len(large) == 7  # eight rows, of which one is the baseline
    assert [row["seeds_80"] for row in small if row["sd"] == 0] == [2]  # one equals the baseline
    needed = [(s, g) for s, g in zip(small, large, strict=True) if s["sd"] > 0]
    assert all(less["seeds_80"] > more["seeds_80"] for less, more in needed)
    assert all(row["seeds_95"] > row["seeds_80"] > 2 for row, _ in needed)
    assert all(row["hours_95"] > row["hours_80"] > 0 for row, _ in needed)


def test_one_seed_is_told() -> None:
    page = run("distilling", "--effect", "0.2").output
    assert "one seed tells nothing of the variance: run at least 2" in page


def test_mistakes_are_told() -> None:
    assert "write a part, such as 5%" in run("mining", "--effect", "1", "--figure", "fps").output
    assert "write a difference, such as 0.2" in run("mining", "--effect", "1%").output
    assert "no positive number" in run("mining", "--effect", "-1").output
    assert run("mining", "--effect", "x").exit_code == 2
