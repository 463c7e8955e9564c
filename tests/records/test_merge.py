"""Merging results folders: nothing is averaged, overwritten or lost by accident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from effbench.cli.app import main
from effbench.errors import ConfigError, RecordError
from effbench.records import merge, record
from effbench.records.record import Record


def cell(repetition: int = 0, psnr: float = 30.0, **changes: Any) -> Record:
    about: dict[str, Any] = {
        "cell_id": f"ngp_s{repetition}",
        "suite": "toy",
        "method": "ngp",
        "scene": {"key": "toy-grey", "name": "toy/grey", "manifest": "abc"},
        "budget": "60s",
        "seed": repetition,
        "repetition": repetition,
        "quality": {"psnr": psnr},
        "device": "CPU A",
        "provenance": {"cpu": "CPU A", "threads": 2, "started": "2026-01-01T00:00:00+00:00"},
    }
    return Record(**{**about, **changes})


def on(device: str, started: str = "2026-01-01", threads: int = 2) -> dict[str, Any]:
    return {
        "device": device,
        "provenance": {"cpu": device, "threads": threads, "started": f"{started}T00:00:00+00:00"},
    }


def folder(path: Path, *cells: Record, truth: bytes = b"png") -> Path:
    """Write a run's folder with curves, models and ground truth."""
    for each in cells:
        own = path / "cells" / each.cell_id
        record.write(own / "record.json", each)
        psnr = each.quality["psnr"]
        (own / "curve.csv").write_text(f"fraction,train_s,iteration,loss,psnr\n1,60,9,0.1,{psnr}\n")
        (own / "model.safetensors").write_bytes(b"model")
    (path / "truth" / "toy-grey").mkdir(parents=True)
    (path / "truth" / "toy-grey" / "r_0.png").write_bytes(truth)
    return path


def psnrs(path: Path) -> list[float]:
    return sorted(r.quality["psnr"] for r in record.load([path]))


def test_seeds_of_two_runs_become_one_row(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", cell(0, 30.0), cell(1, 31.0))
    b = folder(tmp_path / "b", cell(2, 32.0))
    result = merge.merge([a, b], tmp_path / "out", "error")
    assert (result.cells, result.duplicates, result.superseded) == (3, 0, [])
    row = pd.read_csv(tmp_path / "out" / "leaderboard.csv").iloc[0]
    assert (row["n"], row["psnr"]) == (3, 31.0)
    assert len(pd.read_csv(tmp_path / "out" / "curves.csv")) == 3
    assert (tmp_path / "out" / "truth" / "toy-grey" / "r_0.png").read_bytes() == b"png"
    assert (tmp_path / "out" / "cells" / "ngp_s2" / "model.safetensors").exists()
    assert psnrs(a) == [30.0, 31.0], "sources are left as they are"


def test_copies_of_a_cell_are_no_conflict(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", cell()), folder(tmp_path / "b", cell())
    result = merge.merge([a, b, a], tmp_path / "out", "error")
    assert (result.cells, result.duplicates) == (1, 2)


class TestConflicts:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> list[Path]:
        late = folder(tmp_path / "late", cell(0, 28.0, **on("CPU A", "2026-03-01")))
        return [late, folder(tmp_path / "early", cell(0, 30.0))]

    def test_the_last_run_wins(self, folders: list[Path], tmp_path: Path) -> None:
        result = merge.merge(folders, tmp_path / "out", "latest")
        assert psnrs(tmp_path / "out") == [28.0]
        assert result.superseded == [str(folders[1].resolve() / "cells" / "ngp_s0")]
        about = json.loads((tmp_path / "out" / "merge.json").read_text(encoding="utf-8"))
        assert about["superseded"] == result.superseded
        assert about["sources"] == [str(f) for f in folders]

    def test_or_it_is_an_error_that_names_both_and_leaves_nothing(
        self, folders: list[Path], tmp_path: Path
    ) -> None:
        with pytest.raises(
            RecordError, match=r"ngp_s0 was run more than once: .*late.* and .*early"
        ):
            merge.merge(folders, tmp_path / "out", "error")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["early", "late"]


class TestMachines:
    def test_equal_ids_of_two_machines_are_two_cells_with_their_own_curves(
        self, tmp_path: Path
    ) -> None:
        a = folder(tmp_path / "a", cell(0, 30.0))
        b = folder(tmp_path / "b", cell(0, 33.0, **on("CPU B")))
        result = merge.merge([a, b], tmp_path / "out", "error")
        assert result.machines == ["cpu-a-2-threads", "cpu-b-2-threads"]
        board = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
        assert dict(zip(board["device"], board["psnr"], strict=True)) == {"CPU A": 30, "CPU B": 33}
        curves = pd.read_csv(tmp_path / "out" / "curves.csv")
        assert dict(zip(curves["device"], curves["psnr"], strict=True)) == {
            "CPU A": 30,
            "CPU B": 33,
        }
        assert (tmp_path / "out" / "cpu-b-2-threads" / "truth" / "toy-grey").is_dir()

    def test_other_numbers_of_threads_are_other_machines(self, tmp_path: Path) -> None:
        a = folder(tmp_path / "a", cell())
        b = folder(tmp_path / "b", cell(**on("CPU A", threads=64)))
        assert merge.merge([a, b], tmp_path / "out", "error").cells == 2

    def test_a_failure_without_a_device_is_its_folders_machines(self, tmp_path: Path) -> None:
        lost = cell(1, status="oom", device="")
        result = merge.merge([folder(tmp_path / "a", cell(), lost)], tmp_path / "out", "error")
        assert result.machines == ["cpu-a-2-threads"]
        assert result.cells == 2


class TestRefusals:
    def test_a_folder_that_is_there(self, tmp_path: Path) -> None:
        a = folder(tmp_path / "a", cell())
        with pytest.raises(ConfigError, match="is there already: name a new folder"):
            merge.merge([a], a, "latest")

    def test_runs_that_evaluated_other_views_are_joined(self, tmp_path: Path) -> None:
        a, b = folder(tmp_path / "a", cell(0)), folder(tmp_path / "b", cell(1))
        (b / "truth" / "toy-grey" / "r_1.png").write_bytes(b"more")
        merge.merge([a, b], tmp_path / "out", "error")
        truths = sorted(path.name for path in (tmp_path / "out" / "truth" / "toy-grey").iterdir())
        assert truths == ["r_0.png", "r_1.png"]

    def test_other_ground_truth(self, tmp_path: Path) -> None:
        a = folder(tmp_path / "a", cell(0))
        b = folder(tmp_path / "b", cell(1), truth=b"other")
        with pytest.raises(RecordError, match="differs from the ground truth of the same scene"):
            merge.merge([a, b], tmp_path / "out", "latest")
        assert not (tmp_path / "out").exists()

    def test_nothing_or_something_unreadable(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(RecordError, match="empty: no records"):
            merge.merge([tmp_path / "empty"], tmp_path / "out", "latest")
        a = folder(tmp_path / "a", cell())
        (a / "cells" / "ngp_s0" / "record.json").write_text("{")
        with pytest.raises(RecordError, match="is not valid JSON"):
            merge.merge([a], tmp_path / "out", "latest")


def test_the_command(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", cell(0)), folder(tmp_path / "b", cell(0, 33.0, **on("CPU B")))
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["merge", str(a), str(b), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output == (
        f"2 cells of 2 machines → {out}\n"
        "machines in folders of their own: cpu-a-2-threads, cpu-b-2-threads\n"
    )
    again = CliRunner().invoke(main, ["merge", str(a), "--out", str(out)])
    assert again.exit_code == 2
    assert "is there already" in again.stderr
