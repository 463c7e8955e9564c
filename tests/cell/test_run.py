"""One cell: the files it leaves, what they hold, and how failures are told from each other."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image

from effbench.api import run_cell
from effbench.cell import evaluation, quality
from effbench.cell.loop import CURVE_FRACTIONS
from effbench.cell.run import diagnose
from effbench.errors import Diverged, SceneError
from effbench.records import record
from effbench.records.record import Record

FAKES = Path(__file__).parents[1] / "fakes"


def run(
    out: Path | None = None, method: str = "fake", budget: str = "100it", **options: Any
) -> Record:
    options = {"scene": "toy/grey", "plugins": [FAKES], "device": "cpu", **options}
    return run_cell(method, budget=budget, out=out, **options)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def done(out: Path) -> Record:
    return run(out)


@pytest.fixture(scope="module")
def folder(out: Path, done: Record) -> Path:
    return out / "cells" / done.cell_id


def test_a_cell_leaves_a_record_of_itself(folder: Path, done: Record) -> None:
    assert (done.status, done.reason, done.budget) == ("ok", "", "100it")
    assert record.to_dict(record.read(folder / "record.json")) == record.to_dict(done)
    assert done.scene["key"] == "toy-grey"
    assert (done.scene["width"], done.scene["train_views"], done.scene["test_views"]) == (16, 3, 4)
    assert done.facts == {"steps": 116}, "more than the budget, for the memory of steps"
    assert done.backend == "cpu"


def test_times_are_there_and_add_up(done: Record) -> None:
    time = done.time
    assert time["iterations"] == 100
    assert time["prepare_s"] == 0
    assert 0 < time["train_s"] + time["setup_s"] + time["eval_s"] <= time["total_s"]
    assert time["iter_ms"] <= time["iter_ms_p95"]
    assert time["fps"] == pytest.approx(1000 / time["render_ms"])


def test_the_curve_has_a_point_at_each_fraction(folder: Path) -> None:
    with (folder / "curve.csv").open(encoding="utf-8") as stream:
        points = list(csv.DictReader(stream))
    assert [float(p["fraction"]) for p in points] == list(CURVE_FRACTIONS)
    assert list(points[0]) == ["fraction", "train_s", "iteration", "loss", "psnr", "value"]
    assert [int(p["iteration"]) for p in points] == [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert float(points[0]["loss"]) > float(points[-1]["loss"])


def test_a_methods_tables_grow_with_the_curve(folder: Path) -> None:
    with (folder / "tables/values.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["fraction", "step", "channel"]
    assert [float(r["fraction"]) for r in rows[::2]] == list(CURVE_FRACTIONS)
    assert [(int(r["step"]), r["channel"]) for r in rows[:3]] == [(5, "a"), (5, "b"), (10, "a")]


def test_quality_is_that_of_the_saved_images(folder: Path, out: Path, done: Record) -> None:
    names = [f"r_{i}" for i in range(4)]
    assert [view["name"] for view in done.quality["per_view"]] == names
    scores = []
    for name, view in zip(names, done.quality["per_view"], strict=True):
        render = np.asarray(Image.open(folder / "renders" / f"{name}.png"))
        truth = np.asarray(Image.open(out / "truth/toy-grey" / f"{name}.png"))
        assert view["psnr"] == quality.psnr(render, truth)
        scores.append(view["psnr"])
    assert done.quality["psnr"] == pytest.approx(np.mean(scores))
    assert done.quality["eval_views"] == 4
    assert {"lpips_vgg", "lpips_alex"} <= {*done.quality, *done.quality["missing"]}


def test_the_model_is_what_the_method_ships(folder: Path, done: Record) -> None:
    with safetensors.safe_open(folder / "model.safetensors", "pt") as model:
        assert list(model.keys()) == ["value"]
        assert model.get_tensor("value").abs().item() < 0.01, "trained"
        metadata = model.metadata()
    assert (metadata["method"], metadata["scene"]) == ("fake", "toy/grey")
    assert json.loads(metadata["params"]) == done.params
    assert done.size["model_bytes"] == (folder / "model.safetensors").stat().st_size
    assert (done.size["params"], done.size["nonzero"]) == (1, 1)


def test_memory_is_that_of_training(done: Record) -> None:
    phases = done.memory["phases"]
    assert set(phases) == {"setup", "warmup", "steady", "diagnostics", "render"}
    assert done.memory["peak_mem_mb"] == max(phases["warmup"], phases["steady"]) > 0
    assert done.memory["saved_mb"] is not None


def test_fewer_views_are_spread_evenly(tmp_path: Path) -> None:
    few = run(tmp_path, eval_views=2, curve_views=0, budget="2it")
    assert [view["name"] for view in few.quality["per_view"]] == ["r_1", "r_3"]
    (curve,) = tmp_path.rglob("curve.csv")
    assert curve.read_text(encoding="utf-8").splitlines()[1].split(",")[4] == "", "no PSNR"


def test_the_same_seed_gives_the_same_result_and_another_another() -> None:
    first, again = (run(budget="3it").quality["psnr"] for _ in range(2))
    other = run(budget="3it", repetition=1).quality["psnr"]
    assert first == again
    assert first != other


def test_a_child_starts_from_its_parents_result_and_pays_for_it(tmp_path: Path) -> None:
    child = run(tmp_path, method="fake-child", budget="50it")
    parent = record.read(tmp_path / "cells" / child.parents["teacher"] / "record.json")
    spent = parent.time["setup_s"] + parent.time["train_s"]
    assert child.time["prepare_s"] == pytest.approx(spent)
    assert parent.role == "parent"
    assert child.quality["psnr"] == parent.quality["psnr"], "which the child does not change"


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("raise", "failed", "RuntimeError: broken on purpose"),
        ("memory", "oom", "out of memory: no room"),
        ("nan", "diverged", "the loss is nan after"),
        ("nan-render", "diverged", "pixels that are not finite"),
        ("blind", "failed", "no step that was looked at placed a sample on a ray"),
        (
            "nan-weights",
            "diverged",
            "holds NaN or infinity, in parameter 0, value",
        ),
    ],
)
def test_a_failure_is_a_record_with_a_reason(
    tmp_path: Path, mode: str, status: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path, params={"mode": mode, "width": 2}, budget="3it")
    assert result.status == status
    assert reason in result.reason
    assert record.read(tmp_path / "cells" / result.cell_id / "record.json").status == status
    assert "Traceback" in capfd.readouterr().err


def test_a_perfect_view_does_not_cost_the_cell_its_psnr(tmp_path: Path) -> None:
    done = run(tmp_path, params={"mode": "perfect"})
    first, *others = (view["psnr"] for view in done.quality["per_view"])
    assert first > max(others)
    assert done.quality["psnr"] == pytest.approx((first + sum(others)) / 4)
    assert done.facts["perfect_views"] == 1


def test_a_child_of_a_failed_parent_says_so() -> None:
    result = run(method="fake-child", params={"mode": "raise"})
    assert result.status == "failed"
    assert "is failed: RuntimeError: broken on purpose" in result.reason


def test_a_scene_that_cannot_be_loaded_is_a_record(tmp_path: Path) -> None:
    result = run(tmp_path, scene="toy/broken")
    assert (result.status, result.reason) == (
        "failed",
        "toy/broken: is broken on purpose: use toy/grey",
    )
    assert result.scene["key"] == "toy-broken"


def test_what_runs_out_of_memory_is_told_from_what_is_wrong() -> None:
    with pytest.raises(RuntimeError) as allocation:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert diagnose(allocation.value)[0] == "oom"
    assert diagnose(torch.OutOfMemoryError("CUDA out of memory"))[0] == "oom"
    assert diagnose(RuntimeError("shapes differ")) == ("failed", "RuntimeError: shapes differ")
    assert diagnose(Diverged("the loss is nan")) == ("diverged", "the loss is nan")
    assert diagnose(SceneError("a: b: c")) == ("failed", "a: b: c")


def test_a_class_of_ones_own_needs_no_folder() -> None:
    from effbench.planning import registry

    fake: Any = registry.discover([FAKES]).method("fake")
    own = type("Own", (fake,), {"name": "own"})
    result = run_cell(own, "toy/grey", "3it", plugins=[FAKES], params={"width": 2})
    assert (result.method, result.variant, result.status) == ("own", "width=2", "ok")


def test_views_of_one_name_get_files_of_their_own() -> None:
    from effbench.planning import registry

    source = registry.discover([FAKES]).source("toy")
    views = source.load("grey", None, source.Config()).test
    assert evaluation.file_names(views) == ["r_0", "r_1", "r_2", "r_3"]
    same = type(views)(views.images, views.poses, views.intrinsics, ("a/x.png", "b/x.png") * 2)
    assert evaluation.file_names(same) == ["0000-x", "0001-x", "0002-x", "0003-x"]
