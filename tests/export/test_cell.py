"""Cells that end with an export, cells opened again, and the commands for both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from effbench.api import run_cell
from effbench.cell.reopen import reopen
from effbench.cli.app import main
from effbench.errors import EffbenchError, RecordError
from effbench.export import cell as export_cell
from effbench.export.model import OnnxModel
from effbench.records import record, tables
from effbench.records.record import Record
from effbench.scene import Intrinsics
from tests.exported import RandomLightField

FAKES = Path(__file__).parents[1] / "fakes"

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="needs the extra 'export'")


class NotExportable(RandomLightField):
    """Made to be shipped, but without a network to ship."""

    name = "not-exportable"

    def exportable(self, intrinsics: Intrinsics) -> Any:
        return None


def run(out: Path, method: Any, **options: Any) -> Record:
    """Run a cell and return its record as it was written, with nulls for what is not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_cell, "SECONDS", 0.1)
        done = run_cell(
            method, "toy/grey", "3it", out=out, plugins=[FAKES], device="cpu", **options
        )
    return record.read(out / "cells" / done.cell_id / "record.json")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def exported(out: Path) -> Record:
    return run(out, RandomLightField)


@pytest.fixture(scope="module")
def trained(out: Path) -> Path:
    """The folder of a cell that a command can open again."""
    params = {"levels": 2, "log2_table": 8, "samples": 512, "render_steps": 32}
    done = run(out, "instant-ngp", params=params)
    assert done.status == "ok", done.reason
    return out / "cells" / done.cell_id


def effbench_(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_cell_without_training_has_no_figures_of_it(exported: Record) -> None:
    assert (exported.status, exported.reason) == ("ok", "")
    assert (exported.time["iterations"], exported.time["train_s"]) == (0, 0)
    assert exported.time["iter_ms"] is None
    assert exported.memory["peak_mem_mb"] is None
    assert exported.memory["saved_mb"] is None
    assert exported.quality["psnr"] > 0


def test_a_cell_ends_with_the_figures_of_its_export(out: Path, exported: Record) -> None:
    path = out / "cells" / exported.cell_id / "model.onnx"
    found = exported.export
    assert found["reason"] is None
    assert found["onnx_bytes"] == path.stat().st_size == found["export_mb"] * 1e6
    assert (found["precision"], found["takes"]) == ("fp32", "camera")
    assert found["max_error"] < 1e-5
    assert found["check_views"] == 4
    assert found["frames"] >= 3
    row = tables.leaderboard([exported]).iloc[0]
    for name in ("export_mb", "latency_ms", "latency_p95_ms", "export_fps", "peak_ram_mb", "macs"):
        assert row[name] == pytest.approx(found[name])


def test_what_cannot_be_exported_says_why_and_is_well(tmp_path: Path) -> None:
    done = run(tmp_path, NotExportable)
    assert done.status == "ok"
    assert "cannot be exported" in done.export["reason"]
    assert done.export["latency_ms"] is None


def test_a_missing_package_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    done = run(tmp_path, RandomLightField)
    assert done.status == "ok"
    assert "pip install 'effbench[export]'" in done.export["reason"]


def test_other_cells_are_exported_on_demand(trained: Path) -> None:
    data = json.loads((trained / "record.json").read_text())
    assert data["export"]["reason"] == export_cell.ON_DEMAND


def test_a_cell_opened_again_renders_what_it_saved(trained: Path) -> None:
    from PIL import Image

    from effbench.cell import quality

    method = reopen(trained, plugin_folders=[FAKES])
    scene = method.context.scene
    again = method.render(torch.from_numpy(scene.test.poses[0]), scene.test.intrinsics)
    saved = np.asarray(Image.open(trained / "renders" / "r_0.png"))
    np.testing.assert_array_equal(quality.quantise(again), saved)


def test_the_command_exports_and_another_profiles(trained: Path, tmp_path: Path) -> None:
    target = tmp_path / "folder" / "mine.onnx"
    done = effbench_("export", trained, "--plugins", FAKES, "--out", target, "--views", "2")
    assert done.exit_code == 0, done.output
    assert "instant-ngp on toy/grey, 16×16" in done.output
    assert "on 2 test views" in done.output
    assert OnnxModel(target).info.check["views"] == 2
    profiled = effbench_("profile", target, "--seconds", "0.1", "--threads", "1", "--json")
    assert profiled.exit_code == 0, profiled.output
    found = json.loads(profiled.output)
    assert found["onnx_bytes"] == target.stat().st_size
    assert found["frames"] >= 3
    shown = effbench_("profile", target, "--seconds", "0").output
    assert "depends on the input" in shown
    assert "ms median" in shown


def test_a_folder_that_is_no_cell_is_told(out: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="name a cell's folder, RUN/cells/ID"):
        reopen(tmp_path)
    with pytest.raises(
        EffbenchError, match=f"is a run: name one of its cells:(.|\n)*{trained.name}"
    ):
        reopen(out)
    both = effbench_("export", trained, "--int8", "--fp16")
    assert both.exit_code == 2
    assert "exclude each other" in both.output


def test_a_cell_that_failed_or_whose_scene_changed_is_refused(
    trained: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "cells" / trained.name
    shutil.copytree(trained, copy)
    data = json.loads((copy / "record.json").read_text())
    (copy / "record.json").write_text(json.dumps({**data, "status": "oom", "reason": "no room"}))
    with pytest.raises(EffbenchError, match="oom, no room: run the cell again"):
        reopen(copy, plugin_folders=[FAKES])
    changed = {**data, "scene": {**data["scene"], "manifest": "another"}}
    (copy / "record.json").write_text(json.dumps(changed))
    with pytest.raises(EffbenchError, match="trained on another version of toy/grey"):
        reopen(copy, plugin_folders=[FAKES])
