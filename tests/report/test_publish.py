"""What is kept of a run: all of it readable alone, small, and named after what was run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from effbench.cli.app import main
from effbench.errors import ConfigError, RecordError
from effbench.planning.plan import Plan
from effbench.records import record
from effbench.report import publish
from effbench.report.gate import check, snapshot
from effbench.report.gate.options import Options
from effbench.report.gate.tolerances import tolerances
from tests.results_folder import write_results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for made in write_results(folder, scenes=["a/blocks"], views=2, size=16):
        named = replace(made, provenance={**made.provenance, "command": ["effbench", "run", "a b"]})
        record.write(folder / "cells" / made.cell_id / "record.json", named)
    return folder


def plan(run: Path, paper: str) -> None:
    Plan("pruning", (), (), None, ("effbench",), paper=paper).write(run)


def test_what_is_kept_can_be_read_without_the_run(run: Path, tmp_path: Path) -> None:
    plan(run, "neuron-pruning")
    done = publish.publish(run, tmp_path / "kept")
    assert not done.problems
    assert sorted(path.name for path in done.paths) == [
        *("baseline.json", "command.txt", "curves.csv", "leaderboard.csv", "leaderboard.md"),
        *("paper.csv", "paper.md", "psnr-over-time.png", "renders.png", "report.html"),
        "verdict.csv",
    ]
    assert all(path.parent == tmp_path / "kept" for path in done.paths)
    assert not (run / "leaderboard.csv").exists()
    board = pd.read_csv(tmp_path / "kept" / "leaderboard.csv")
    assert {"commit", "eval_views", "marks"} <= set(board)
    assert (tmp_path / "kept" / "command.txt").read_text() == "effbench run 'a b'\n"
    kept = snapshot.load(tmp_path / "kept" / "baseline.json")
    report = check.check(snapshot.load(run), kept, Options(tolerances(())))
    assert report.status == 0


def test_renders_are_thinned_to_what_the_page_may_take(run: Path, tmp_path: Path) -> None:
    sizes = {}
    for limit in (1, 3_000_000):
        publish.publish(run, tmp_path / str(limit), page_bytes=limit)
        page = tmp_path / str(limit) / "report.html"
        sizes[limit] = page.read_text(encoding="utf-8").count("data:image/webp")
        assert page.stat().st_size < 3_000_000
    assert sizes[1] == 0
    assert sizes[3_000_000] > 4


def test_a_picture_is_scaled_down_until_it_fits(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    picture = tmp_path / "renders.png"
    Image.fromarray(noise).save(picture)
    publish.fit(picture, 15_000)
    assert 8_000 < picture.stat().st_size <= 15_000
    with Image.open(picture) as image:
        width, height = image.size
    assert width / height == pytest.approx(4 / 3, rel=0.05)


def test_a_picture_that_fits_stays_as_it_is(tmp_path: Path) -> None:
    picture = tmp_path / "renders.png"
    Image.fromarray(np.zeros((9, 12, 3), np.uint8)).save(picture)
    before = picture.read_bytes()
    publish.fit(picture, 15_000)
    assert picture.read_bytes() == before


def test_a_run_without_a_plan_has_no_verdict(run: Path, tmp_path: Path) -> None:
    done = publish.publish(run, tmp_path / "kept")
    assert not {"verdict.csv", "paper.csv"} & {path.name for path in done.paths}


def test_it_is_kept_by_machine_suite_and_scene(run: Path) -> None:
    records = record.load([run])
    folder = publish.default_folder(run, records)
    assert folder == Path("results") / "a-cpu" / f"{records[0].suite}-blocks"
    other = replace(records[0], scene={**records[0].scene, "name": "a/spheres"})
    with pytest.raises(ConfigError, match=r"2 scenes \(blocks, spheres\).*--out"):
        publish.default_folder(run, [*records, other])


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="has no record"):
        publish.publish(tmp_path)


def test_the_command_says_what_it_wrote_and_what_it_could_not_read(
    run: Path, tmp_path: Path
) -> None:
    next(run.glob("cells/*/record.json")).write_text("{")
    done = CliRunner().invoke(main, ["publish", str(run), "--out", str(tmp_path / "kept")])
    assert done.exit_code == 3, done.output
    assert f"{tmp_path / 'kept' / 'baseline.json'} (" in done.stdout
    assert "record.json: is not valid JSON" in done.stderr
    assert json.loads((tmp_path / "kept" / "baseline.json").read_text())
