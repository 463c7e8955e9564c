"""The command that prints fronts, on made and committed results."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from effbench.cli.app import main
from tests.results_folder import write_results

DISTILLING = Path(__file__).parents[1] / "golden/records/distilling"


def pareto(*words: str) -> Result:
    return CliRunner().invoke(main, ["pareto", *words])


def test_a_page_has_fronts_hypervolumes_and_rates(tmp_path: Path) -> None:
    write_results(tmp_path, scenes=["procedural/blocks"], seeds=3, views=1, size=16)
    done = pareto(str(tmp_path), "--cost", "model_mb,iter_ms")
    assert done.exit_code == 0, done.output
    assert "### PSNR against model size (MB)" in done.output
    assert "### PSNR against iteration time (ms)" in done.output
    assert "Hypervolume of 8 rows: " in done.output
    assert "nerf-pruned selection=uniform | nerf-pruned selection=coreset" in done.output


def test_quantised_rows_are_compared_with_the_rows_they_come_from() -> None:
    done = pareto(str(DISTILLING), "--format", "json")
    found = json.loads(done.output)
    assert {row["anchor"] for row in found["bd_rate"]} == {"what they were made of"}
    assert all(row["rate"] < 0 for row in found["bd_rate"])
    assert all(row["low"] is None for row in found["hypervolume"])  # one seed


def test_mistakes_are_named() -> None:
    assert "unknown figure 'size'" in pareto(str(DISTILLING), "--cost", "size").output
    assert "'fps' is no cost" in pareto(str(DISTILLING), "--cost", "fps").output
    assert "name an anchor" in pareto(str(DISTILLING), "--curve", "a*").output
