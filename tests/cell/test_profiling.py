"""Profiles of cells: parts of a step, a trace, use of the machine, and figures left alone."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file

from effbench.api import run_cell
from effbench.cell import profiling
from effbench.method import spans
from effbench.records import record
from effbench.records.record import Record

FAKES = Path(__file__).parents[1] / "fakes"
TINY = {"samples": 512, "levels": 2, "log2_table": 12, "grid_resolution": 16, "grid_every": 8}
OF_HASH_FIELD = {spans.RAYS, spans.PLACING, spans.GRID, spans.ENCODING, spans.SHADING}
OF_HASH_FIELD |= {spans.BACKWARD, spans.ENCODING_BACKWARD}
OF_HASH_FIELD |= {spans.OPTIMISER}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "STRETCH_S", 0.05)


def ngp(out: Path, **options: Any) -> Record:
    return run_cell(
        "instant-ngp",
        "toy/grey",
        "12it",
        params=TINY,
        out=out,
        plugins=[FAKES],
        device="cpu",
        curve_views=1,
        eval_views=1,
        **options,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def done(out: Path) -> Record:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiling, "STRETCH_S", 0.05)
        return ngp(out, profile=True)


@pytest.fixture(scope="module")
def folder(out: Path, done: Record) -> Path:
    return out / "cells" / done.cell_id


def test_parts_and_rest_are_the_step(done: Record, folder: Path) -> None:
    assert (done.status, done.profile["reason"]) == ("ok", None)
    parts = done.profile["parts"]
    assert set(parts) == OF_HASH_FIELD
    assert all(ms > 0 for ms in parts.values())
    assert sum(parts.values()) <= done.profile["step_ms"]
    assert sum(parts.values()) + done.profile["rest_ms"] == pytest.approx(done.profile["step_ms"])
    assert done.profile["steps"] == 16, "whole cycles of 8"
    with (folder / "profile.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["part"] for row in rows] == [*parts, "rest"]
    assert float(rows[0]["ms"]) == pytest.approx(parts[rows[0]["part"]], abs=1e-3)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-2)


def test_the_trace_has_each_part_as_a_complete_event(done: Record, folder: Path) -> None:
    trace = json.loads(gzip.decompress((folder / done.profile["trace"]).read_bytes()))
    complete = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    # a part stands in the trace under its name, beside what the profiler makes of a graph's nodes
    of_steps = [event for event in complete if event["name"] == "step"]
    assert len(of_steps) == done.profile["traced_steps"] == 5
    assert {*done.profile["parts"]} <= {event["name"] for event in complete}
    ends = {event["ts"]: event["ts"] + event["dur"] for event in of_steps}
    for event in complete:
        if event["name"] == spans.OPTIMISER:
            assert any(start <= event["ts"] <= end for start, end in ends.items())


def test_the_use_of_the_machine_is_told_over_time(done: Record) -> None:
    use = done.profile["utilisation"]
    assert use["steps"] >= 1
    assert len(use["t_s"]) == len(use["process"]) >= 1
    assert use["cores"]
    for values in use["cores"].values():
        assert len(values) == len(use["t_s"])
        assert all(0 <= value <= 1 for value in values)
    assert use["device"] == []


def test_figures_are_those_of_a_run_without(done: Record, folder: Path, tmp_path: Path) -> None:
    plain = ngp(tmp_path)
    assert plain.cell_id == done.cell_id
    assert plain.profile == {}
    plain_folder = tmp_path / "cells" / plain.cell_id
    assert not list(plain_folder.glob("trace*"))
    for group in ("scene", "quality", "identity"):
        assert getattr(plain, group) == getattr(done, group), group
    machine = {"rays_per_s", "samples_per_s", "compiled_s"}  # how fast it was, what it had compiled
    facts, others = ({k: v for k, v in r.facts.items() if k not in machine} for r in (plain, done))
    assert facts == others
    assert plain.time["iterations"] == done.time["iterations"] == 12
    assert plain.memory["saved_steps"] == done.memory["saved_steps"]
    assert plain.size["model_bytes"] == done.size["model_bytes"]
    models = [load_file(f / "model.safetensors") for f in (folder, plain_folder)]
    torch.testing.assert_close(*models, rtol=0, atol=0)


def test_the_record_is_there_whatever_becomes_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[Record] = []

    def look(*_: Any) -> dict[str, Any]:
        told.append(record.read(next(tmp_path.rglob("record.json"))))
        return {"reason": "a look"}

    monkeypatch.setattr("effbench.cell.run.profiled", look)
    options: dict[str, Any] = {"plugins": [FAKES], "device": "cpu", "profile": True}
    done = run_cell("fake", "toy/grey", "3it", out=tmp_path, **options)
    (before,) = told
    assert (before.status, done.profile["reason"]) == ("ok", "a look")
    for group in ("time", "memory", "quality", "machine", "energy", "provenance", "facts"):
        assert record.to_dict(done)[group] == record.to_dict(before)[group], group


class Steps:
    """A method without names for the parts of its steps."""

    trains, cycle, taken = True, 1, 0

    def step(self, _: float) -> torch.Tensor:
        self.taken += 1
        return torch.ones(64, 64).matmul(torch.ones(64, 64)).mean()


def profile(method: Steps, folder: Path) -> dict[str, Any]:
    cpu = torch.device("cpu")
    task = SimpleNamespace(
        cell=SimpleNamespace(ranks=1),
        folder=folder,
        device=cpu,
        synchronize=lambda: None,
        report=lambda *_: None,
    )
    return profiling.profiled(cast(Any, task), cast(Any, method))


def test_methods_without_parts_have_the_rest(tmp_path: Path) -> None:
    found = profile(Steps(), tmp_path)
    assert found["parts"] == {}
    assert found["rest_ms"] == found["step_ms"] > 0
    assert found["reason"] is None
    trace = json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))
    assert {"step", "aten::matmul"} <= {event["name"] for event in trace["traceEvents"]}


def test_a_profiler_that_fails_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(**_: Any) -> Any:
        raise RuntimeError("no profiler here")

    monkeypatch.setattr(profiling, "profile", broken)
    found = profile(Steps(), tmp_path)
    assert found["reason"] == "no trace: RuntimeError: no profiler here"
    assert found["steps"] == 16
    assert found["utilisation"]["steps"] >= 1
    assert "trace" not in found


def test_what_does_not_train_has_no_step(tmp_path: Path) -> None:
    method = Steps()
    method.trains = False
    assert profile(method, tmp_path) == {
        "reason": "nothing is trained: there is no step to profile"
    }
    assert method.taken == 0


@pytest.mark.parametrize(("fullest", "cycle"), [(0, 16), (5, 16), (15, 16), (0, 1), (2, 5)])
def test_the_fullest_step_is_in_the_middle_of_the_trace(fullest: int, cycle: int) -> None:
    first = profiling._steps_before(fullest, cycle) + profiling._BEFORE
    traced = [(first + k) % cycle for k in range(profiling._TRACED)]
    assert traced[2] == fullest


def test_means_count_steps_without_a_part() -> None:
    assert profiling.means([{"a": 1.0}, {"a": 3.0, "b": 8.0}]) == {"b": 4.0, "a": 2.0}
