"""Several cells at once on one machine: each on processors of its own, and known to its records."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from effbench.errors import ConfigError
from effbench.machine import cores
from effbench.records import record, tables
from effbench.runs.executors import local
from effbench.runs.executors.local import Local
from effbench.runs.run import Result, run
from tests.runs.test_run import planned

TWO = pytest.mark.skipif(len(cores.mine()) < 2, reason="needs two processors")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "effbench.runs.run.summarise", lambda _, out, done, **_options: Result(out, done, [], [])
    )


@TWO
def test_two_cells_run_side_by_side_on_a_processor_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))  # without others' locks
    plan = planned("fake.width=1,2,3", "fake-child.width=3", methods=("fake", "fake-child"))
    out = tmp_path / "out"
    printed = io.StringIO()

    def two(out: Path) -> Local:
        return Local(out, jobs=2)

    done = run(plan, out, Console(file=printed), executor=two)
    assert {r.status for r in done.records} == {"ok"}
    for made in done.records:
        told = made.provenance["executor"]
        assert told["name"] == "local"
        assert told["jobs"] == 2
        assert len(told["cores"]) == 1
        assert made.identity["threads"] == 1
        assert made.provenance["alone"] is True, "nobody was on its processor"
    used = {r.provenance["executor"]["cores"][0] for r in done.records}
    assert len(used) == 2
    beside = [r.machine["neighbours"] for r in done.records]
    assert max(beside) == 1
    board = tables.leaderboard(record.load([out]))
    assert board["marks"].str.contains("shared the machine's memory").any()
    again = run(plan, out, Console(file=printed), executor=two)
    assert again.records == done.records
    assert printed.getvalue().count("kept from an earlier run") == len(plan.cells)
    assert cores.claim(2), "all processors are free again"


def test_one_cell_has_the_whole_machine_unless_told_otherwise(tmp_path: Path) -> None:
    plan = planned()
    whole = run(plan, tmp_path / "whole", Console(file=io.StringIO())).records[0]
    assert "cores" not in whole.provenance["executor"]
    assert whole.provenance["executor"]["jobs"] == 1
    console = Console(file=io.StringIO())
    bound = run(
        plan, tmp_path / "one", console, executor=lambda out: Local(out, threads=1)
    ).records[0]
    assert len(bound.provenance["executor"]["cores"]) == 1
    assert bound.identity["threads"] == 1


def test_more_than_the_machine_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--jobs"):
        Local(tmp_path, jobs=1 + len(cores.mine()))


class TestGpus:
    """Which GPU each of several cells sees, by a machine that seems to have four."""

    @pytest.fixture(autouse=True)
    def four(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def test_each_has_its_own(self) -> None:
        assert local._gpus("cuda:0", 4, 1) == ["0", "1", "2", "3"]
        assert local._gpus("cuda:0", 1, 1) == []
        assert local._gpus("cpu", 4, 1) == []

    def test_those_that_the_user_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "4,5,6,7")
        assert local._gpus("cuda:0", 2, 2) == ["4", "5", "6", "7"]

    def test_too_few_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"3 cells at once of 2 ranks need 6 GPUs.* has 4"):
            local._gpus("cuda:0", 3, 2)
        with pytest.raises(ConfigError, match="leave out --device cuda:1"):
            local._gpus("cuda:1", 2, 1)
