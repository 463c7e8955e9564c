"""`effbench leaderboard`: which rows and columns, in which order and form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner, Result

from effbench.cli.app import main

RECORDS = Path(__file__).parents[1] / "golden" / "records"


def run(*words: str, run: str = "distilling") -> Result:
    return CliRunner().invoke(main, ["leaderboard", str(RECORDS / run), *words])


def rows(*words: str) -> list[dict[str, str]]:
    done = run(*words, "--format", "csv")
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(io.StringIO(done.output)))


def test_columns_rows_and_order() -> None:
    found = rows("--columns", "method,psnr,psnr_worst", "--sort", "-psnr", "--where", "psnr > 15")
    assert list(found[0]) == ["method", "psnr", "psnr_worst"]
    psnr = [float(row["psnr"]) for row in found]
    assert len(psnr) == 4
    assert psnr == sorted(psnr, reverse=True)
    assert all(15 < float(row["psnr_worst"]) <= float(row["psnr"]) for row in found)


def test_scenes_by_pattern() -> None:
    assert {row["scene"] for row in rows("--scene", "*/sph*")} == {
        "procedural/spheres (downscale=16)"
    }
    told = run("--scene", "nerf_synthetic/*")
    assert told.exit_code == 2
    assert "no scene of these results fits nerf_synthetic/*" in told.output


def test_means_alone() -> None:
    found = rows("--mean", "--columns", "method,variant,psnr,scenes", "--sort", "psnr")
    assert len(found) == 8
    assert {row["scenes"] for row in found} == {"2"}
    psnr = [float(row["psnr"]) for row in found]
    assert psnr == sorted(psnr)
    page = run("--mean").output
    assert "mean of 2 scenes" in page
    assert "## distill · procedural" not in page


def test_a_matrix_has_the_means_of_its_scenes() -> None:
    for row in rows("--matrix", "psnr"):
        scenes = [float(v) for name, v in row.items() if name.startswith("procedural/")]
        assert abs(float(row["mean"]) - sum(scenes) / 2) < 1e-8
        assert (row["scenes"], row["n"]) == ("2", "2")
    assert "| **17.13** |" in " ".join(run("--matrix", "psnr").output.split())
    assert len(json.loads(run("--matrix", "psnr", "--format", "json").output)) == 8


def test_marks_are_against_the_baseline_that_is_named() -> None:
    page = run("--baseline", "low-weight", run="mining").output
    assert "better, worse than `low-weight` at 5 %" in page
    assert "better, worse than `instant-ngp compaction=none` at 5 %" in run(run="mining").output


def test_mistakes_are_told() -> None:
    assert "unknown column 'psrn': did you mean psnr" in run("--columns", "psrn").output
    assert "unknown figure 'psrn'" in run("--matrix", "psrn").output
    assert "no row fits --where 'psnr > 99'" in run("--where", "psnr > 99").output
    assert run("--where", "psnr.x > 99").exit_code == 2
