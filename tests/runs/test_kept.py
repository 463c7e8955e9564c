"""A finished cell stands only for the code, data and machine of today; the run says why not."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from effbench.errors import SceneError
from effbench.machine.placement import place
from effbench.machine.probe import RATES
from effbench.planning import registry
from effbench.planning.plan import Plan
from effbench.planning.planner import Request, make_plan
from effbench.records import record, tables
from effbench.records.record import Record
from effbench.runs.executors.contract import Executor
from effbench.runs.executors.local import Local
from effbench.runs.run import Result, run
from tests.in_this_process import InThisProcess

FAKES = Path(__file__).parents[1] / "fakes"


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A copy of the tests' plug-ins, to be edited."""
    return Path(shutil.copytree(FAKES, tmp_path / "plugins"))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file whose text is the toy scene's manifest."""
    monkeypatch.setenv("FAKE_SWITCHES", str(tmp_path))
    return tmp_path / "manifest"


def planned(plugins: Path, *methods: str, seeds: int = 1) -> Plan:
    device, backend = place("cpu")
    request = Request(
        methods=methods or ("fake",),
        scenes=("toy/grey",),
        budget="5it",
        seeds=seeds,
        device=device,
        backend=backend,
    )
    return make_plan(request, registry.discover([plugins]), plugins=[plugins])


def again(
    plan: Plan, out: Path, *, processes: bool = False, **options: bool
) -> tuple[list[Record], str]:
    """Run a plan without tables; return its records and what was printed.

    processes: whether cells have their own, in which edited plug-ins are what they were edited to.
    """
    stream = io.StringIO()
    executor: Callable[[Path], Executor] = Local if processes else InThisProcess
    with pytest.MonkeyPatch.context() as patch:
        if not processes:
            patch.setattr("effbench.cell.run.probe", lambda _: dict.fromkeys(RATES, 1.0))
        patch.setattr(
            "effbench.runs.run.summarise",
            lambda _, out, done, **_options: Result(out, done, [], []),
        )
        done = run(plan, out, Console(file=stream), executor=executor, **options)
    return done.records, stream.getvalue()


def board(out: Path) -> pd.DataFrame:
    return tables.leaderboard(record.load([out]))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_nothing_changed_nothing_is_run_again(plugins: Path, tmp_path: Path) -> None:
    plan = planned(plugins, "fake", "fake-child")
    first, _ = again(plan, tmp_path / "out")
    second, printed = again(plan, tmp_path / "out")
    assert second == first
    assert printed.count("(kept from an earlier run)") == 2


EDITS: dict[str, Callable[[Path], None]] = {
    "the method's code is another": lambda folder: edit(
        folder / "methods/fake.py", "self.config.lr * gradient", "0.5 * gradient"
    ),
    "the code that reads the scene is another": lambda folder: edit(
        folder / "scenes/toy.py", "30 + 40", "31 + 40"
    ),
}


@pytest.mark.parametrize("reason", EDITS)
def test_an_edited_plug_in_is_run_again(plugins: Path, tmp_path: Path, reason: str) -> None:
    again(planned(plugins), tmp_path / "out")
    EDITS[reason](plugins)
    _, printed = again(planned(plugins), tmp_path / "out")
    assert f": run again, since {reason}" in printed


def test_a_helper_beside_a_plug_in_is_part_of_it(plugins: Path, tmp_path: Path) -> None:
    (plugins / "methods/_helper.py").write_text("RATE = 1\n", encoding="utf-8")
    again(planned(plugins), tmp_path / "out")
    (plugins / "methods/_helper.py").write_text("RATE = 2\n", encoding="utf-8")
    _, printed = again(planned(plugins), tmp_path / "out")
    assert "run again, since the method's code is another" in printed


def test_a_profile_is_of_cells_that_are_run(
    plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("effbench.cell.profiling.STRETCH_S", 0.0)
    out, plan = tmp_path / "out", planned(plugins)
    profiling = replace(plan, profile=True)
    assert profiling.digest == plan.digest
    again(plan, out)
    (kept,), printed = again(profiling, out)
    assert not kept.profile["steps"]
    assert "not profiled, since it was finished before: --fresh does it again" in printed
    (done,), printed = again(profiling, out, fresh=True)
    assert done.profile["steps"] == 16
    assert "not profiled" not in printed
    assert done.cell_id == kept.cell_id
    (kept,), printed = again(profiling, out)
    assert (kept.profile, "not profiled" in printed) == (done.profile, False)


def test_seeds_of_two_programs_are_two_rows(plugins: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    again(planned(plugins), out)
    EDITS["the method's code is another"](plugins)
    again(planned(plugins, seeds=2), out, keep_stale=True)
    rows = board(out)
    assert rows["n"].tolist() == [1, 1]
    assert rows["marks"].str.contains("code ").all()
    assert rows["marks"].str.contains("stale: the method's code is another").sum() == 1
    again(planned(plugins, seeds=2), out)
    (row,) = board(out).to_dict("records")
    assert row["n"] == 2, "both of the new program"
    assert "stale" not in row["marks"]


def test_other_data_are_run_again_with_what_starts_from_them(
    plugins: Path, tmp_path: Path, data: Path
) -> None:
    plan = planned(plugins, "fake", "fake-child")
    again(plan, tmp_path / "out")
    data.write_text("1" * 64, encoding="utf-8")
    records, printed = again(plan, tmp_path / "out")
    assert printed.count("run again, since the scene's data are others") == 2
    assert {r.scene["manifest"] for r in records} == {"1" * 64}


def test_a_child_goes_with_its_parents_model(plugins: Path, tmp_path: Path) -> None:
    out, plan = tmp_path / "out", planned(plugins, "fake-child")
    parent, _ = again(plan, out)[0]
    (out / "cells" / parent.cell_id / "record.json").unlink()
    (out / "cells" / parent.cell_id / "model.safetensors").unlink()
    edit(plugins / "methods/fake.py", "torch.rand(config.width", "0.5 * torch.rand(config.width")
    _, printed = again(plan, out, processes=True, keep_stale=True)
    assert "stale: the method's code is another and its teacher was trained again" in printed


def test_a_child_of_a_parent_of_other_data_is_refused(
    plugins: Path, tmp_path: Path, data: Path
) -> None:
    out = tmp_path / "out"
    again(planned(plugins, "fake"), out)
    data.write_text("1" * 64, encoding="utf-8")
    records, _ = again(planned(plugins, "fake-child"), out, keep_stale=True)
    (child,) = (r for r in records if r.method == "fake-child")
    assert child.status == "failed"
    assert "was trained on other data of toy/grey than are there now" in child.reason


@pytest.mark.parametrize(
    ("place_of", "text"),
    [
        ("effbench.planning.sources.package_hash", "effbench's own code is another"),
        ("effbench.machine.environment.usable_threads", "the number of threads is another"),
        ("effbench.machine.provenance.device_name", "the machine is another"),
    ],
)
def test_what_else_makes_a_result_another(
    plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place_of: str, text: str
) -> None:
    again(planned(plugins), tmp_path / "out")
    other: object = 77 if "threads" in place_of else "other"
    monkeypatch.setattr(place_of, lambda *_: other)
    _, printed = again(planned(plugins), tmp_path / "out", keep_stale=True)
    assert f"(kept from an earlier run, stale: {text})" in printed


def test_a_record_that_does_not_say_its_code_is_run_again(plugins: Path, tmp_path: Path) -> None:
    (done,), _ = again(planned(plugins), tmp_path / "out")
    path = tmp_path / "out/cells" / done.cell_id / "record.json"
    record.write(path, replace(done, identity={}))
    _, printed = again(planned(plugins), tmp_path / "out")
    assert "run again, since its record does not say which code made it" in printed


def test_a_scene_that_is_gone_loses_nothing(
    plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (done,), _ = again(planned(plugins), tmp_path / "out")

    def gone(*_: object) -> str:
        raise SceneError("toy/grey: is gone: bring it back")

    monkeypatch.setattr("effbench.planning.registry.Registry.scene_manifest", gone)
    with pytest.raises(SceneError, match=r"is gone.*make it readable, or choose another --out"):
        again(planned(plugins), tmp_path / "out")
    assert record.load([tmp_path / "out"]) == [done]
