"""Verdicts: rows against baselines from records, judged by stated rules, gaps shown as gaps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import paper, verdict, verdict_text
from effbench.records import record, results
from effbench.records.record import Record
from effbench.report import papers

HSM = paper.load("hsm")

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("instant-ngp", {"compaction": "none"}),
    "transmittance": ("instant-ngp", {"compaction": "transmittance"}),
    "hsm": ("hsm", {"base": "instant-ngp", "compaction": "none"}),
}


def save(
    out: Path, row: str, repetition: int, psnr: float, iter_ms_mean: float, **more: Any
) -> None:
    """Write the record and the curve of a cell: 5 dB below `psnr` half-way, `psnr` at 60 s."""
    method, params = ROWS[row]
    folder = out / "cells" / f"{row}-{repetition}"
    about: dict[str, Any] = {
        "cell_id": folder.name,
        "suite": "hsm",
        "method": method,
        "variant": ",".join(f"{k}={v}" for k, v in params.items()),
        "params": params,
        "scene": {"key": "blocks", "name": "procedural/blocks", "manifest": "abc"},
        "budget": "60s",
        "seed": repetition,
        "repetition": repetition,
        "quality": {"psnr": psnr},
        "time": {"iter_ms_mean": iter_ms_mean},
        "memory": {"saved_mb": 0.5 * iter_ms_mean},
        "device": "CPU",
    }
    record.write(folder / "record.json", Record(**{**about, **more}))
    lines = ["fraction,train_s,iteration,loss,psnr", f"0.5,30,1,0,{psnr - 5}", f"1,60,2,0,{psnr}"]
    (folder / "curve.csv").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three repetitions of HSM, faster and better than both of its baselines."""
    for i in range(3):
        save(tmp_path, "none", i, 25.0 + i, 100.0)
        save(tmp_path, "transmittance", i, 25.5 + i, 80.0)
        save(tmp_path, "hsm", i, 26.0 + i + 0.1 * i, 60.0)
    return tmp_path


def judged(*folders: Path) -> pd.DataFrame:
    return verdict.verdict(HSM, *results.comparable(folders))


def row(found: pd.DataFrame, measure: str, baseline: str = "compaction=none") -> pd.Series[Any]:
    own = found[(found["method"] == "hsm") & (found["measure"] == measure)]
    (index,) = own.index[own["baseline"].str.contains(baseline)]
    return found.loc[index]


class TestVerdict:
    def test_every_measure_against_both_baselines(self, run: Path) -> None:
        found = judged(run)
        assert list(found.columns) == list(verdict.COLUMNS)
        time = row(found, "iter_ratio")
        assert (time["n"], time["mean"], time["std"]) == (3, pytest.approx(0.6), pytest.approx(0))
        assert row(found, "iter_ratio", "transmittance")["mean"] == pytest.approx(0.75)
        assert row(found, "saved_ratio")["mean"] == pytest.approx(0.6)
        gain = row(found, "psnr_gain")  # 1.0, 1.1 and 1.2 dB
        assert (gain["mean"], gain["std"]) == (pytest.approx(1.1), pytest.approx(0.1))
        # repetition 0: 25 dB, after 60 s, is reached after 30 + 30 · 4 / 5 = 54 s
        speedups = [60 / (30 + 30 * (4 - 0.1 * i) / 5) for i in range(3)]
        geometric = math.prod(speedups) ** (1 / 3)
        assert row(found, "speedup")["mean"] == pytest.approx(geometric)
        assert set(found["test"]) == {"paired"}
        assert (found["missing"] == "").all()

    def test_claims_are_judged_against_the_baseline_that_the_paper_used(self, run: Path) -> None:
        found = judged(run)
        time = row(found, "iter_ratio")
        assert (time["verdict"], time["paper_low"]) == ("confirmed", pytest.approx(34 / 64))
        assert time["claim_low"] < 0.6 < time["claim_high"]
        other = row(found, "iter_ratio", "transmittance")
        assert (other["verdict"], other["reason"]) == ("", "")
        assert other["mean"] == pytest.approx(0.75)
        gain = row(found, "psnr_gain")  # 1.1 ± 0.25 dB, of 0.63 ± 0.3 dB
        assert (gain["verdict"], gain["needed"]) == ("open", 6)

    def test_memory_of_a_gpu_is_not_judged_on_a_cpu(self, run: Path) -> None:
        saved = row(judged(run), "saved_ratio")
        assert saved["verdict"] == "open"
        assert saved["reason"] == "a claim about a GPU's memory, measured on a CPU"

    def test_a_baseline_is_compared_with_those_before_it_and_claims_nothing(
        self, run: Path
    ) -> None:
        found = judged(run)
        ngp = found[found["method"] == "instant-ngp"]
        assert set(zip(ngp["variant"], ngp["baseline"], strict=True)) == {
            ("compaction=transmittance", "instant-ngp compaction=none")
        }
        assert (ngp["verdict"] == "").all()
        assert ngp["paper_mean"].isna().all()

    def test_a_repetition_without_its_pair_is_named(self, run: Path) -> None:
        save(run, "hsm", 1, 0, 0, status="oom", reason="out of memory", quality={}, time={})
        (run / "cells/none-2/record.json").unlink()
        found = row(judged(run), "psnr_gain")
        assert (found["n"], found["mean"]) == (1, pytest.approx(1.0))
        assert found["missing"] == (
            "repetition 1 of hsm base=instant-ngp,compaction=none is oom; "
            "repetition 2 of instant-ngp compaction=none is not run"
        )
        assert found["verdict"] == ""
        assert found["reason"] == "no verdict: n = 1, 3 are needed"

    def test_a_baseline_that_was_not_run_is_listed_and_nothing_invented(self, run: Path) -> None:
        for i in range(3):
            (run / f"cells/none-{i}/record.json").unlink()
        found = judged(run)
        gone = found[(found["method"] == "hsm") & found["baseline"].str.contains("none")]
        assert list(gone["n"]) == [0, 0, 0, 0]
        assert gone["mean"].isna().all()
        assert set(gone["missing"]) == {"no instant-ngp compaction=none under the same conditions"}
        assert set(gone["verdict"]) == {"open"}

    @pytest.mark.parametrize("change", [{"budget": "30s"}, {"device": "GPU"}, {"suite": "own"}])
    def test_other_conditions_are_no_pair(self, run: Path, change: dict[str, Any]) -> None:
        for i in range(3):
            save(run, "hsm", i, 26.0, 60.0, **change)
        hsm = judged(run).query("method == 'hsm'")
        assert set(hsm["n"]) == {0}

    def test_a_grid_over_both_sides_is_compared_value_by_value(self, tmp_path: Path) -> None:
        for name in ("none", "hsm"):
            params = ROWS[name][1]
            for samples in (64, 128):
                chosen = {**params, "samples": samples}
                changes = {"params": chosen, "variant": f"samples={samples}", "seed": samples}
                save(tmp_path, name, 0, 20.0, 1.0, **changes)
                folder = tmp_path / "cells" / f"{name}-0"
                folder.rename(folder.with_name(f"{name}-{samples}"))
        found = judged(tmp_path)
        pairs = found[(found["method"] == "hsm") & (found["n"] == 1)]
        assert set(zip(pairs["variant"], pairs["baseline"], strict=True)) == {
            ("samples=64", "instant-ngp samples=64"),
            ("samples=128", "instant-ngp samples=128"),
        }

    def test_nothing_to_compare(self, tmp_path: Path) -> None:
        assert judged(tmp_path).empty
        save(tmp_path, "none", 0, 25.0, 100.0)
        assert judged(tmp_path).empty

    def test_what_cannot_be_read_is_told(self, run: Path) -> None:
        (run / "cells/none-0/record.json").write_text("{", encoding="utf-8")
        (run / "cells/hsm-1/curve.csv").write_text("", encoding="utf-8")
        errors: list[Any] = []
        cells, curves = results.comparable([run], errors)
        assert len(errors) == 2
        assert len(cells) == 8
        assert curves["cell"].nunique() == 7


class TestPooled:
    def test_a_claim_on_a_mean_over_scenes_is_judged_on_one(self, tmp_path: Path) -> None:
        """Scenes are the sample: their means, however often each was repeated."""
        for place, (scene, gain) in enumerate((("a", 0.6), ("b", 0.62), ("c", 0.64), ("d", 0.66))):
            about = {"key": scene, "name": f"procedural/{scene}", "manifest": scene}
            for i in range(3):
                for name, psnr in (("none", 25.0 + i), ("hsm", 25.0 + i + gain)):
                    save(tmp_path / str(place), name, i, psnr, 100.0, scene=about)
        found = judged(*(tmp_path / str(place) for place in range(4)))
        pooled = found[found["scene"] == "mean of 4 scenes"]
        (gain_row,) = pooled[pooled["measure"] == "psnr_gain"].to_dict("records")
        assert (gain_row["n"], gain_row["verdict"]) == (4, "confirmed")
        assert gain_row["mean"] == pytest.approx(0.63)
        # deviation of 0.60, 0.62, 0.64, 0.66: 0.0258; t(0.975, 3) = 3.1824
        assert gain_row["high"] == pytest.approx(0.63 + 3.1824 * 0.025820 / 2, abs=1e-5)
        assert "saved_ratio" not in set(pooled["measure"]), "its text says so of no scene"

    def test_one_scene_is_no_mean(self, run: Path) -> None:
        assert not judged(run)["scene"].str.startswith("mean").any()


class TestPage:
    def test_it_shows_figures_the_papers_and_each_claim(self, run: Path) -> None:
        found, (table, page) = papers.write(run, HSM)
        text = page.read_text(encoding="utf-8")
        assert len(pd.read_csv(table)) == len(found)
        assert "## hsm · procedural/blocks" in text
        assert "+1.10 ± 0.10 dB" in text
        assert "mean +0.83 / +0.54 / +0.53 dB after 2 / 5 / 8 min" in text
        assert "7 scenes: 0.53 to 0.62×" in text
        assert "compaction=none: 0.60 ± 0.00× (95 %: 0.60 to 0.60×; paired, n=3) – **conf" in text
        assert "would decide." in text
        assert "of other hardware, and of longer" in " ".join(text.split())
        assert "Missing pairs" not in text

    def test_a_scene_of_the_papers_table_is_held_against_its_column(self, tmp_path: Path) -> None:
        scene = {"key": "bonsai", "name": "mipnerf360/bonsai", "manifest": "abc"}
        for i in range(3):
            save(tmp_path, "none", i, 25.0 + i, 100.0, scene=scene)
            save(tmp_path, "hsm", i, 25.6 + i + 0.01 * i, 54.0, scene=scene)
        found = judged(tmp_path)
        gain = row(found, "psnr_gain")
        assert (gain["paper_low"], gain["paper_high"]) == pytest.approx((1.1, 1.3))
        assert gain["verdict"] == "contradicted", "the paper's gain on other scenes is smaller"
        assert gain["reason"] == "a smaller effect than the paper's"
        text = verdict_text.to_markdown(HSM, found)
        assert "(on bonsai: +1.10 / +1.10 / +1.30 dB after 2 / 5 / 8 min; mean" in text
        assert "| the paper | on bonsai |" in " ".join(text.split())

    def test_gaps_are_listed(self, run: Path) -> None:
        (run / "cells/none-2/record.json").unlink()
        text = verdict_text.to_markdown(HSM, judged(run), ["x: is broken"])
        assert "Missing pairs:" in text
        assert "repetition 2 of instant-ngp compaction=none is not run" in text
        assert "* x: is broken" in text

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, "1.50 ± 0.10×"),
            ({"bound": ">"}, "> 1.50 ± 0.10×"),
            ({"bound": "not reached", "mean": math.nan}, "not reached"),
            ({"std": math.nan}, "1.50×"),
            ({"mean": math.nan}, ""),
            ({"measure": "psnr_gain"}, "+1.50 ± 0.10 dB"),
        ],
    )
    def test_a_figure_with_deviation_unit_and_bound(
        self, changes: dict[str, Any], expected: str
    ) -> None:
        found = {"measure": "speedup", "mean": 1.5, "std": 0.1, "bound": "", **changes}
        assert verdict_text.figure(found) == expected

    def test_nothing_compared_is_said(self, tmp_path: Path) -> None:
        text = verdict_text.to_markdown(HSM, judged(tmp_path))
        assert "No row of these records is compared with a baseline." in text

    def test_the_papers_own_page(self) -> None:
        text = verdict_text.own_table(HSM)
        assert "arXiv:2408.03193" in text
        assert "| bonsai" in text
        assert "**Iteration time.**" in text


def test_the_verdict_is_json_too(run: Path) -> None:
    from effbench.records import tables

    rows = json.loads(tables.to_json(judged(run)))
    assert {r["verdict"] for r in rows} == {"confirmed", "contradicted", "open", ""}
