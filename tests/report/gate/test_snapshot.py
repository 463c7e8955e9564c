"""Baseline files: written, read again, diffed; what is wrong with one is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from effbench.errors import ConfigError, EffbenchError, RecordError
from effbench.records import record
from effbench.records.record import Record
from effbench.report.gate import snapshot as baseline


def cell(
    method: str = "ngp", repetition: int = 0, psnr: float | None = 30.0, **changes: Any
) -> Record:
    """A finished cell, or with `psnr=None` one that diverged."""
    about: dict[str, Any] = {
        "cell_id": f"{method}_{changes.get('variant', '')}_s{repetition}",
        "suite": "pruning",
        "method": method,
        "scene": {"key": "blocks", "name": "procedural/blocks", "manifest": "abc"},
        "budget": "60s",
        "seed": repetition,
        "repetition": repetition,
        "params": {"lr": 0.01},
        "quality": {"psnr": psnr, "eval_views": 20},
        "time": {"iter_ms": 12.5, "iterations": 400},
        "size": {"model_mb": 6.233336},
        "device": "Some CPU @ 2.50GHz",
        "backend": "cpu",
        "provenance": {
            "commit": "c0ffee",
            "dirty": False,
            "threads": 2,
            "packages": {"torch": "2.13.0"},
            "started": f"2026-01-0{repetition + 1}T00:00:00+00:00",
        },
    }
    if psnr is None:
        about |= {"status": "diverged", "reason": "the loss is nan", "quality": {}, "time": {}}
    return Record(**{**about, **changes})


def folder(path: Path, *cells: Record) -> Path:
    for each in cells:
        record.write(path / "cells" / each.cell_id / "record.json", each)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    cells = [cell("ngp", r, 30 + r / 3) for r in range(3)]
    cells += [cell("nerf", 0, 20.0, variant="width=64"), cell("nerf", 1, None, variant="width=64")]
    cells.append(cell("teacher", role="parent"))
    return folder(tmp_path / "run", *cells)


def test_a_file_says_the_same_as_the_folder(results: Path, tmp_path: Path) -> None:
    direct = baseline.load(results)
    path = tmp_path / "base.json"
    baseline.write(path, direct)
    again = baseline.load(path)
    keys = ["method", "repetition"]
    old, new = (s.cells.sort_values(keys, ignore_index=True) for s in (direct, again))
    pd.testing.assert_frame_equal(old, new, rtol=1e-9, check_dtype=False)
    assert again.provenance == direct.provenance
    assert "teacher" not in set(again.cells["method"])


def test_the_file_reads_well_and_is_stable(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    baseline.write(path, baseline.load(results))
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = [line for line in lines if '"repetition"' in line]
    assert len(found) == 5, "a line per cell"
    assert '"repetition": 1, "status": "ok", "reason": "", "psnr": 30.33333333, ' in text
    assert json.loads(text)["provenance"]["commit"] == "c0ffee"
    baseline.write(path, baseline.load(path))
    assert path.read_text(encoding="utf-8") == text


def test_a_failed_cell_belongs_to_the_row_of_those_that_finished(results: Path) -> None:
    cells = baseline.load(results).cells
    nerf = cells[cells["method"] == "nerf"]
    assert nerf["status"].tolist() == ["ok", "diverged"]
    assert nerf["eval_views"].tolist() == [20, 20]


def test_provenance_lists_what_differs(tmp_path: Path) -> None:
    other = {**cell().provenance, "commit": "decade", "started": "2026-02-01T00:00:00+00:00"}
    path = folder(tmp_path, cell(), cell("nerf", provenance=other))
    found = baseline.load(path).provenance
    assert sorted(found["commit"]) == ["c0ffee", "decade"]
    assert found["started"] == ["2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"]


def test_the_default_path_names_device_and_suite(results: Path, tmp_path: Path) -> None:
    snapshot = baseline.load(results)
    path = baseline.default_path(snapshot)
    assert path == Path("results/some-cpu-2-50ghz/pruning-baseline.json")
    mixed = baseline.load(folder(tmp_path / "b", cell(), cell("nerf", suite="hsm")))
    with pytest.raises(ConfigError, match=r"cells of 2 suites \(hsm, pruning\): name the file"):
        baseline.default_path(mixed)


def test_weaknesses_are_told(results: Path) -> None:
    notes = baseline.weaknesses(baseline.load(results))
    assert notes == [
        "1 of 5 cells failed",
        "1 of 2 rows have one seed, which no check can judge",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is no baseline file"),
        ('{"format": "other"}', "is no baseline file"),
        (
            '{"format": "effbench baseline", "schema_version": 7}',
            "schema version 7, but this effbench reads version 1",
        ),
        (
            '{"format": "effbench baseline", "schema_version": 1, "provenance": {}, "rows": [{}]}',
            "is damaged",
        ),
        (
            '{"format": "effbench baseline", "schema_version": 1, "provenance": {}, "rows": []}',
            "holds no cells",
        ),
    ],
)
def test_a_bad_file_is_named_with_the_remedy(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=message) as caught:
        baseline.load(path)
    assert str(path) in str(caught.value)
    assert "effbench baseline RESULTS" in str(caught.value)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"cannot be read \(No such file"):
        baseline.load(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="holds no records: name a run's output folder"):
        baseline.load(tmp_path)


def test_records_that_cannot_be_read_are_listed_or_all_there_is(tmp_path: Path) -> None:
    run = folder(tmp_path, cell())
    bad = run / "cells" / "bad" / "record.json"
    bad.parent.mkdir()
    bad.write_text('{"schema_version": 9}', encoding="utf-8")
    snapshot = baseline.load(run)
    assert len(snapshot.cells) == 1
    assert "schema version 9" in str(snapshot.unreadable[0])
    (run / "cells" / cell().cell_id / "record.json").unlink()
    with pytest.raises(RecordError, match=r"none of its 1 records can be read; first: .*version 9"):
        baseline.load(run)


def test_a_file_that_cannot_be_written_is_an_error(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EffbenchError, match="cannot be written"):
        baseline.write(tmp_path / "file" / "base.json", baseline.load(results))
