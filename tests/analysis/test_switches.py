"""Switches: rows relative to the baseline, and claims between the rows that differ in a switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import paper, switches, switches_text
from effbench.analysis.switches import Row
from effbench.records import record, results
from effbench.report import papers
from tests.acceleration_run import ROWS, write_run

GUIDE = paper.load("pytorch-acceleration")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return folder


@pytest.fixture(scope="module")
def found(run: Path) -> pd.DataFrame:
    return papers.table(GUIDE, [run])


def line(found: pd.DataFrame, switch: str) -> pd.Series[Any]:
    (index,) = found.index[found["switch"] == switch]
    return found.loc[index]


def test_every_row_stands_with_its_figures(found: pd.DataFrame) -> None:
    assert list(found.columns) == list(switches.COLUMNS)
    rows = found.drop_duplicates("variant").set_index("variant")
    assert set(rows.index) == set(ROWS)
    uniform = rows.loc["sampling=uniform"]
    assert uniform["n"] == 3
    assert uniform["iter_ratio_mean"] == pytest.approx(4.0)
    assert uniform["steady_ratio_mean"] == pytest.approx(2.0)
    assert uniform["psnr_gain_mean"] == pytest.approx(-15.0)  # 5 s of the curve against 20 s
    assert uniform["speedup_bound"] == "not reached"
    assert uniform["to_baseline_bound"] == ">"
    # 30 dB after 20 s by the default, after 16 s where the curve is gone through 1.25 times sooner
    assert rows.loc["loading=async", "speedup_mean"] == pytest.approx(1.25)
    assert rows.loc["loading=async", "to_baseline_s"] == pytest.approx(16.0)
    assert rows["speedup_mean"].isna()[""], "the baseline is not compared with itself"


def test_samples_per_ray_and_what_was_skipped(found: pd.DataFrame) -> None:
    rows = found.drop_duplicates("variant").set_index("variant")
    assert rows.loc["", "samples_per_ray"] == pytest.approx(4.0)
    assert rows.loc["", "skipped"] == pytest.approx(0.96)
    assert rows.loc["sampling=uniform", "samples_per_ray"] == pytest.approx(192.0)
    assert rows["skipped"].isna()["sampling=uniform"], "nothing marches"


def test_a_claim_is_shown_with_the_row_that_is_not_the_baseline(found: pd.DataFrame) -> None:
    occupancy = line(found, "occupancy skipping")
    assert (occupancy["variant"], occupancy["on"]) == ("sampling=uniform", "instant-ngp")
    # the default has the 15 dB that uniform samples end with after 5 s of 20 s
    assert (occupancy["mean"], occupancy["verdict"]) == (pytest.approx(4.0), "confirmed")
    asynchronous = line(found, "asynchronous loading")
    assert asynchronous["variant"] == "loading=async"
    assert (asynchronous["measure"], asynchronous["verdict"]) == ("iter_ratio", "confirmed")


def test_no_gain_contradicts_and_a_loss_does(found: pd.DataFrame) -> None:
    early = line(found, "early termination")  # 1 / 0.99
    assert (early["mean"], early["verdict"]) == (pytest.approx(1 / 0.99), "contradicted")
    assert early["reason"] == "no gain beyond the margin"
    slower = line(found, "gradient checkpointing")
    assert (slower["bound"], slower["verdict"]) == ("not reached", "contradicted")
    memory = line(found, "gradient checkpointing: memory")
    assert (memory["mean"], memory["verdict"]) == (pytest.approx(0.25), "confirmed")


def test_what_was_not_switched_has_no_verdict(found: pd.DataFrame) -> None:
    mixed = line(found, "mixed precision")
    assert mixed["verdict"] == ""
    assert mixed["reason"] == "no verdict: both ran with precision fp32 on this device"


def test_of_several_rows_the_one_nearest_to_the_baseline_is_taken(tmp_path: Path) -> None:
    for cell in write_run(tmp_path):
        if cell.variant == "sampling=uniform":
            other = {**cell.params, "sampling": "uniform", "compaction": "none"}
            about = {**vars(cell), "variant": "compaction=none,sampling=uniform", "params": other}
            about["cell_id"] = f"none-{cell.repetition}"
            record.write(tmp_path / "cells" / about["cell_id"] / "record.json",
                         record.Record(**about))  # fmt: skip
    found = papers.table(GUIDE, [tmp_path])
    assert line(found, "occupancy skipping")["off"] == "instant-ngp sampling=uniform"


def test_settings_that_are_no_parameters_are_told_by_the_variant() -> None:
    cells = pd.DataFrame(
        {"method": ["a"], "variant": ["ranks=2,x=y"], "settings": ['{"x": 1}'], "status": ["ok"],
         "budget": ["1s"], "device": ["CPU"]}
    )  # fmt: skip
    assert Row(cells).params == {"ranks": 2, "x": 1}


def test_what_did_not_finish_is_told(tmp_path: Path) -> None:
    for cell in write_run(tmp_path):
        if cell.variant == "loading=async":
            about = {**vars(cell), "status": "failed", "reason": "no thread", "quality": {}}
            record.write(tmp_path / "cells" / cell.cell_id / "record.json", record.Record(**about))
    found = papers.table(GUIDE, [tmp_path])
    gone = line(found, "asynchronous loading")
    assert (gone["n"], gone["lost"], gone["pairs"]) == (0, "failed", 0)
    assert (gone["verdict"], gone["reason"]) == ("", "no verdict: n = 0, 3 seeds are needed")
    assert "| n=0 (failed) |" in " ".join(papers.to_markdown(GUIDE, found).split())


def test_too_few_seeds_have_no_verdict(tmp_path: Path) -> None:
    write_run(tmp_path, seeds=2)
    found = papers.table(GUIDE, [tmp_path])
    assert set(found["verdict"]) == {""}
    assert "2, 3 seeds are needed" in line(found, "occupancy skipping")["reason"]


def test_tables_of_curves_say_what_they_can(run: Path, tmp_path: Path) -> None:
    found = results.load([run])
    curves = results.curves(found).assign(variant=lambda f: f["variant"].replace("", "default"))
    curves.to_csv(tmp_path / "curves.csv", index=False)
    told = papers.table(GUIDE, [tmp_path])
    assert told.attrs["tables"]
    assert set(told["method"]) == {"instant-ngp"}
    assert told["iter_ms_mean"].notna().all()
    assert told["peak_mem_mb"].isna().all()
    assert set(told["switch"]) == {""}, "tables do not say what a default is"


def test_nothing_to_compare(tmp_path: Path) -> None:
    found = papers.table(GUIDE, [tmp_path])
    assert found.empty
    assert "These folders have no rows." in papers.to_markdown(GUIDE, found)


class TestPage:
    def test_rows_claims_and_what_was_not_tested(self, found: pd.DataFrame) -> None:
        text = papers.to_markdown(GUIDE, found, ["x: is broken"])
        cells = [part.strip() for part in _line(text, "| instant-ngp loading=async").split("|")]
        assert cells[1:7] == ["instant-ngp loading=async", "n=3", "16.0", "1.25× [1.25, 1.25]",
                              "35.01", "+5.00 dB [+5.00, +5.00]"]  # fmt: skip
        assert cells[-3:-1] == ["guide: asynchronous loading", "confirmed"]
        assert (
            "**Occupancy skipping.** Guide: skipping empty space by a sparse grid is faster than "
            "192 uniform samples per ray. Claimed: speed-up to the baseline's PSNR more than 1.05×."
        ) in text
        assert (
            "* instant-ngp against instant-ngp sampling=uniform: 4.00 ± 0.00× (95 %: 4.00 to "
            "4.00×; paired, n=3) – **confirmed**."
        ) in text
        assert "Reported: up to 98 % of samples skipped, on nerf_synthetic/lego" in text
        assert (
            "* 95.0 % (instant-ngp early_stop_eps=0) to 96.0 % (instant-ngp loading=async); "
            "another scene than reported."
        ) in text
        assert "proposal sampling: needs proposal and instant-ngp sampling=uniform." not in text
        assert "compilation: needs instant-ngp compile=True and instant-ngp compile=False." in text
        assert "energy J" not in text, "nobody measured it"
        assert "* x: is broken" in text

    def test_it_is_written_beside_a_runs_tables(self, tmp_path: Path) -> None:
        write_run(tmp_path)
        frame, (table, page) = papers.write(tmp_path, GUIDE)
        assert (table.name, page.name) == ("paper.csv", "paper.md")
        assert len(pd.read_csv(table)) == len(frame)
        assert "**confirmed**" in page.read_text(encoding="utf-8")

    def test_the_claims_alone(self) -> None:
        text = papers.own_table(GUIDE)
        assert "| occupancy skipping " in text
        assert "states no figures" in text


def _line(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found


def test_said_begins_with_each_claim(found: pd.DataFrame) -> None:
    heads = [head for head, _ in switches_text.said(GUIDE, found)]
    assert heads[-1] == "**Not tested here.**"
    assert len(heads) == (found["switch"] != "").sum() + 2


def test_the_baseline_is_chosen_as_everywhere(run: Path) -> None:
    assert results.baseline(results.load([run])) == "instant-ngp"
