"""`effbench rerun` of a toy cell with a parent: the same seeds, its own folder, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from effbench.cli.app import main
from effbench.records import record
from effbench.report.plots import pictures

pytestmark = pytest.mark.slow
FAKES = Path(__file__).parents[1] / "fakes"


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture(scope="module", autouse=True)
def _no_pictures() -> Iterator[None]:
    """Pictures take longer than all else here, and nothing of them is tested."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pictures, "write_plots", lambda *_, **__: [])
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a method and of one that starts from it."""
    out = tmp_path_factory.mktemp("runs") / "first"
    words = ["--method", "fake-child", "--method", "fake", "--scene", "toy/grey", "--budget", "5it"]
    words += ["--device", "cpu", "--plugins", str(FAKES), "--out", str(out), "--seeds", "2"]
    assert run("run", *words).exit_code == 0
    return out


def cell(out: Path, method: str, repetition: int) -> record.Record:
    found = [r for r in record.load([out]) if (r.method, r.repetition) == (method, repetition)]
    return found[0]


def test_a_cell_and_its_parents_run_again_with_their_seeds(done: Path, tmp_path: Path) -> None:
    then = cell(done, "fake-child", 1)
    place, again = str(done / "cells" / then.cell_id), tmp_path / "again"
    result = run("rerun", place, "--out", str(again), "--format", "json")
    assert result.exit_code == 0, result.output
    made = {r.cell_id: r for r in record.load([again])}
    assert set(made) == {then.cell_id, *then.parents.values()}
    assert all(made[r.cell_id].seed == r.seed for r in record.load([done]) if r.cell_id in made)
    found = json.loads(result.stdout)
    psnr = next(row for row in found["figures"] if row["figure"] == "psnr")
    assert psnr["then"] == psnr["now"] == then.quality["psnr"]
    facts = {row["fact"]: row for row in found["made_by"]}
    assert facts["package numpy"]["same"]
    assert facts["code of effbench"]["same"]
    assert facts["seed"]["now"] == str(then.seed)


def test_the_page_and_a_folder_that_is_taken(done: Path, tmp_path: Path) -> None:
    place = done / "cells" / cell(done, "fake", 0).cell_id / "record.json"
    page = run("rerun", str(place), "--out", str(tmp_path / "again")).stdout
    assert "## What made them" in page
    assert "| PSNR dB" in page
    told = run("rerun", str(place), "--out", str(tmp_path / "again"))
    assert told.exit_code == 2
    assert "is not empty: name a new folder" in told.output


def test_without_its_plan_a_cell_cannot_be_run_again(done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "cells" / "x"
    copy.mkdir(parents=True)
    first = done / "cells" / cell(done, "fake", 0).cell_id / "record.json"
    (copy / "record.json").write_bytes(first.read_bytes())
    told = run("rerun", str(copy))
    assert told.exit_code == 2
    assert "no plan*.json there has the cell" in told.output
