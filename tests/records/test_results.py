"""Finding what lies beside records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from effbench.errors import RecordError
from effbench.records import results
from tests.results_folder import FRACTIONS, PRUNING, write_results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_results(tmp_path / "run", scenes=["procedural/blocks"], seeds=2, size=16)
    return tmp_path / "run"


def test_of_a_cell_that_two_folders_have_the_last_run_counts(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(run, again)
    path = again / "cells" / "nerf__procedural-blocks_s0" / "record.json"
    data = json.loads(path.read_text())
    data["provenance"]["started"] = "2027-01-01T00:00:00+00:00"
    path.write_text(json.dumps(data))
    found = results.load([run, again])
    assert len(found.cells) == 2 * len(PRUNING)
    kept = [folder for folder in found.cells if folder.name == path.parent.name]
    assert kept == [path.parent.resolve()]


def test_scenes_that_only_parents_were_trained_on_can_be_left_out(run: Path) -> None:
    for path in run.glob("cells/*/record.json"):
        data = json.loads(path.read_text())
        data["role"] = "parent" if data["method"] == "nerf" else "row"
        if data["method"] == "instant-ngp":
            data["role"] = "parent"
            data["scene"]["name"] = "procedural/temple"
        path.write_text(json.dumps(data))
    found = results.load([run])
    assert not found.problems
    kept = results.of_rows(found)
    assert {r.method for r in found.records} - {r.method for r in kept.records} == {"instant-ngp"}
    assert "parent" in {r.role for r in kept.records}  # of a scene that has rows


def test_where_there_is_no_row_all_stays(run: Path) -> None:
    for path in run.glob("cells/*/record.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"role": "parent"}))
    found = results.load([run])
    assert results.of_rows(found).cells == found.cells


def test_curves_are_those_of_the_tables(run: Path) -> None:
    found = results.load([run])
    curves = results.curves(found)
    assert len(curves) == 2 * len(PRUNING) * len(FRACTIONS)
    order = ["method", "variant", "repetition", "fraction"]
    same = results.curves(results.load([run])).sort_values(order, ignore_index=True)
    own = curves.sort_values(order, ignore_index=True)[list(same)]
    assert own.equals(same.astype(own.dtypes.to_dict()))


def test_a_curve_that_cannot_be_read_is_named_and_the_others_stay(run: Path) -> None:
    (run / "cells" / "nerf__procedural-blocks_s0" / "curve.csv").write_text("")
    found = results.load([run])
    curves = results.curves(found)
    assert len(curves) == (2 * len(PRUNING) - 1) * len(FRACTIONS)
    (problem,) = found.problems
    assert "nerf__procedural-blocks_s0/curve.csv" in str(problem)


def test_renders_are_the_first_seed_of_each_row(run: Path) -> None:
    shutil.rmtree(run / "cells" / "nerf__procedural-blocks_s0" / "renders")
    (scene,) = results.renders(results.load([run]))
    assert scene.label == "procedural/blocks"
    assert scene.views == ("r_0.png", "r_1.png")
    assert scene.truth == run.resolve() / "truth" / "procedural-blocks"
    seeds = {(cell.method, cell.variant): cell.repetition for cell in scene.cells.values()}
    assert seeds.pop(("nerf", "")) == 1
    assert set(seeds.values()) == {0}


def test_scenes_without_ground_truth_are_left_out(run: Path) -> None:
    shutil.rmtree(run / "truth")
    assert results.renders(results.load([run])) == []


def test_a_view_has_its_own_figures_or_the_cells(run: Path) -> None:
    cell = next(iter(results.load([run]).records))
    assert results.view_psnr(cell, "r_0.png") == cell.quality["per_view"][0]["psnr"]
    assert results.view_figure(cell, "other.png", "ssim") == cell.quality["ssim"]
    assert results.view_psnr(cell, "r_0.png") != results.view_figure(cell, "r_0", "lpips_vgg")


def test_papers_are_named_by_plans(run: Path) -> None:
    found = results.load([run])
    assert results.papers(found) == []
    (run / "plan.json").write_text('{"paper": "hsm"}')
    assert results.papers(found) == ["hsm"]
    (run / "plan.json").write_text("[")
    assert results.papers(found) == []


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such folder"):
        results.load([tmp_path / "nowhere"])
