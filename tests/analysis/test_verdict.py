"""Verdicts: rows against baselines from records, judged by stated rules, gaps shown as gaps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from effbench.analysis import claims, paper, verdict, verdict_text
from effbench.analysis.claims import CONFIRMED, CONTRADICTED, OPEN, Judgement, Published
from effbench.analysis.equivalence import Region
from effbench.analysis.pooling import over_scenes
from effbench.analysis.statistics import Summary, summarise, summarise_ratios
from effbench.records import record, results
from effbench.records.record import Record
from effbench.report import papers

HSM = paper.load("hsm")
RATIO = Published(0.55, 0.53, 0.62, region=Region(0.45, 0.67, "ratio"))
GAIN = Published(0.6, 0.1, 1.6, region=Region(0.3, 0.9, "difference"), per_time=True)

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
        "memory": {"saved_mb": 0.5 * iter_ms_mean, "phases": {"steady": 10 * iter_ms_mean}},
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
        assert row(found, "speedup")["mean"] == pytest.approx(math.prod(speedups) ** (1 / 3))
        assert row(found, "steady_ratio")["mean"] == pytest.approx(0.6)
        assert set(found["test"]) == {"paired"}
        assert (found["missing"] == "").all()

    def test_claims_are_judged_against_the_baseline_that_the_paper_used(self, run: Path) -> None:
        found = judged(run)
        time = row(found, "iter_ratio")
        assert (time["verdict"], time["paper_low"]) == (CONFIRMED, pytest.approx(34 / 64))
        gain = row(found, "psnr_gain")  # 1.1 ± 0.25 dB, claimed: 0.33 to 0.93
        assert gain["verdict"] == OPEN
        assert gain["needed"] > 3
        other = found[found["baseline"].str.contains("transmittance")]
        assert (other["verdict"] == "").all()
        assert other["paper_mean"].isna().all()

    def test_memory_of_a_gpu_is_judged_on_one_only(self, run: Path) -> None:
        memory = row(judged(run), "steady_ratio")
        reason = "a claim about GPU memory, measured on a CPU"
        assert (memory["verdict"], memory["reason"]) == (OPEN, reason)
        for path in run.glob("cells/*/record.json"):
            path.write_text(path.read_text().replace('"CPU"', '"NVIDIA A100"'), encoding="utf-8")
        assert row(judged(run), "steady_ratio")["verdict"] == CONFIRMED

    def test_repetitions_of_other_seeds_are_independent_samples(self, run: Path) -> None:
        for i in range(3):
            save(run, "hsm", i, 26.0 + i + 0.1 * i, 60.0, seed=9 + i)
        gain = row(judged(run), "psnr_gain")
        assert gain["test"] == "unpaired"
        assert gain["mean"] == pytest.approx(1.1)
        assert gain["high"] - gain["low"] > 4, "the scenes' trend over repetitions is noise now"

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
        assert (found["verdict"], found["reason"]) == ("", "no verdict: n = 1, 3 seeds are needed")

    def test_a_baseline_that_was_not_run_is_listed_and_nothing_invented(self, run: Path) -> None:
        for i in range(3):
            (run / f"cells/none-{i}/record.json").unlink()
        found = judged(run)
        gone = found[found["baseline"].str.contains("none") & (found["method"] == "hsm")]
        assert list(gone["n"]) == [0, 0, 0, 0, 0]
        assert gone["mean"].isna().all()
        lacking = "no instant-ngp compaction=none under the same conditions"
        assert set(gone["missing"]) == {lacking}
        assert set(gone["verdict"]) == {""}
        assert set(gone["reason"]) == {f"no verdict: {lacking}", ""}

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


def judge(measure: str, found: Summary, claim: Published, budget: str = "60s") -> Judgement:
    return claims.judge({measure: found}, {measure: claim}, budget, "CPU")[measure]


class TestJudge:
    @pytest.mark.parametrize(
        ("measure", "values", "claim", "expected"),
        [
            ("iter_ratio", [0.55, 0.56, 0.57], RATIO, CONFIRMED),
            ("iter_ratio", [0.50, 0.50, 0.50], RATIO, CONFIRMED),
            ("iter_ratio", [0.40, 0.41, 0.42], RATIO, CONTRADICTED),  # better than claimed
            ("iter_ratio", [0.80, 0.81, 0.82], RATIO, CONTRADICTED),
            ("iter_ratio", [1.20, 1.21, 1.22], RATIO, CONTRADICTED),
            ("iter_ratio", [0.45, 0.55, 0.67], RATIO, OPEN),  # wide: 0.34 to 0.91
            ("iter_ratio", [0.70, 0.90, 1.20], RATIO, OPEN),
            ("iter_ratio", [0.50, 0.50], RATIO, ""),  # too few
            ("psnr_gain", [0.59, 0.60, 0.61], GAIN, CONFIRMED),
            ("psnr_gain", [-0.30, -0.31, -0.32], GAIN, CONTRADICTED),
            ("psnr_gain", [0.01, 0.011, 0.012], GAIN, CONTRADICTED),
            ("psnr_gain", [0.2, 0.6, 1.0], GAIN, OPEN),
            ("psnr_gain", [], GAIN, ""),
        ],
    )
    def test_by_the_interval_and_the_claims_margin(
        self, measure: str, values: list[float], claim: Published, expected: str
    ) -> None:
        take = summarise_ratios if measure == "iter_ratio" else summarise
        found = judge(measure, take(values), claim)
        assert found.verdict == expected
        assert bool(found.reason) == (expected != CONFIRMED)

    def test_what_is_open_says_how_many_seeds_would_decide(self) -> None:
        found = judge("psnr_gain", summarise([0.4, 0.6, 0.8]), GAIN)
        # 0.6 ± 0.2, the margin 0.3: 1.5 deviations to either side
        assert found.needed is not None
        assert 6 <= found.needed <= 10
        assert found.reason == (
            f"the interval crosses the margin; about {found.needed} seeds would decide"
        )
        wide = judge("psnr_gain", summarise([-40.0, 0.6, 41.0]), GAIN)
        assert wide.reason.endswith("more than 1,000 seeds would decide")

    def test_several_claims_are_corrected_by_holm(self) -> None:
        # Half of the 95 % interval: 0.1 · 4.30265 / √3 = 0.248. Alone it is inside of ± 0.3.
        close = summarise([0.5, 0.6, 0.7])
        alone = judge("psnr_gain", close, GAIN)
        assert alone.verdict == CONFIRMED
        assert alone.p == pytest.approx(0.035, abs=5e-4)
        both = claims.judge(
            {"psnr_gain": close, "iter_ratio": summarise_ratios([0.3, 0.55, 1.0])},
            {"psnr_gain": GAIN, "iter_ratio": RATIO},
            "60s",
            "CPU",
        )
        assert both["psnr_gain"].verdict == OPEN
        assert both["psnr_gain"].p == pytest.approx(2 * alone.p)
        assert "one of 2 claims" in both["psnr_gain"].reason

    def test_budgets_of_iterations_say_nothing_of_equal_time(self) -> None:
        found = judge("psnr_gain", summarise([0.5, 0.5, 0.5]), GAIN, "100it")
        assert (found.verdict, found.reason) == (OPEN, "budgets are iterations, not time")

    @pytest.mark.parametrize(
        ("unreached", "low", "expected"), [(3, 1.2, CONTRADICTED), (1, 1.2, OPEN), (3, 0.8, OPEN)]
    )
    def test_a_psnr_that_is_never_reached(self, unreached: int, low: float, expected: str) -> None:
        nan = math.nan
        found = Summary(3, nan, nan, nan, nan, "not reached", unreached)
        claim = Published(2, 1, 3, region=Region(low, 3, "ratio"))
        assert judge("speedup", found, claim).verdict == expected

    def test_without_a_claim_there_is_no_verdict(self) -> None:
        assert claims.judge({"psnr_gain": summarise([1.0] * 3)}, {}, "60s", "CPU") == {}


def test_effects_on_their_margins_are_rarely_decided() -> None:
    """Of rows whose three effects lie on their margins, any verdict but open is wrong."""
    rng = np.random.default_rng(0)
    known = {c.measure: claims.published(HSM, c) for c in HSM.claims if not c.gpu}
    rows, wrong = 200, {CONFIRMED: 0, CONTRADICTED: 0}
    for _ in range(rows):
        found = {}
        for measure, claim in known.items():
            assert claim.region is not None
            edge = claim.region.high
            if claim.region.kind == "ratio":
                found[measure] = summarise_ratios(list(edge * np.exp(rng.normal(0, 0.1, 5))))
            else:
                found[measure] = summarise(list(rng.normal(edge, 0.3, 5)))
        said = {j.verdict for j in claims.judge(found, known, "60s", "CPU").values()}
        for verdict_ in wrong:
            wrong[verdict_] += verdict_ in said
    # 1.9 % and 1.5 % of 1,000
    assert max(wrong.values()) <= 0.05 * rows


class TestScenes:
    def test_claims_on_a_mean_over_scenes_are_judged_on_that(self, tmp_path: Path) -> None:
        for number, scene in enumerate(("room", "garden", "stump")):
            about = {"key": scene, "name": f"mipnerf360/{scene}", "manifest": "abc"}
            for i in range(3):
                where = tmp_path / scene
                save(where, "none", i, 25.0 + i, 100.0, scene=about)
                save(where, "hsm", i, 25.5 + i + 0.1 * number, 55.0 + number, scene=about)
        found = judged(tmp_path)
        whole = found[found["scene"] == "mean of 3 scenes"]
        assert list(whole["measure"]) == ["iter_ratio", "psnr_gain", "speedup"], "memory is no mean"
        gain = whole[whole["measure"] == "psnr_gain"].iloc[0]
        # 0.5, 0.6 and 0.7 dB: 0.6 ± 4.30265 · 0.1 / √3, of three values, not of nine
        assert (gain["n"], gain["test"], gain["mean"]) == (3, "scenes", pytest.approx(0.6))
        assert gain["high"] == pytest.approx(0.6 + 4.30265 * 0.1 / 3**0.5, abs=1e-4)
        assert gain["paper_mean"] == pytest.approx(0.633, abs=1e-3)
        assert len(found[found["test"] == "scenes"]) == 3
        text = verdict_text.to_markdown(HSM, found)
        assert "## hsm · mean of 3 scenes" in text
        assert "scenes, n=3" in text

    def test_a_bound_on_one_scene_bounds_the_mean(self) -> None:
        exact = {"n": 3, "mean": 2.0, "bound": ""}
        more = over_scenes("speedup", [exact, {**exact, "bound": ">"}, exact])
        assert more.mean == pytest.approx(2.0)
        assert (more.bound, more.high) == (">", math.inf)
        never = over_scenes("speedup", [exact, {"n": 3, "mean": math.nan, "bound": "not reached"}])
        assert (never.n, never.unreached, never.bound) == (2, 1, "not reached")


class TestPage:
    def test_it_shows_figures_the_papers_and_each_claim(self, run: Path) -> None:
        found, (table, page) = papers.write(run, HSM)
        text = page.read_text(encoding="utf-8")
        assert len(pd.read_csv(table)) == len(found)
        assert "## hsm · procedural/blocks" in text
        assert "+1.10 ± 0.10 dB" in text
        assert "mean +0.83 / +0.54 / +0.53 dB after 2 / 5 / 8 min" in text
        assert "7 scenes: 0.53 to 0.62×" in text
        assert "0.60 ± 0.00× (95 %: 0.60 to 0.60×; paired, n=3) – **confirmed**." in text
        assert "| paired, n=3 |" in text
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
        assert gain["verdict"] == CONTRADICTED, "the paper's gain on other scenes is smaller"
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
    assert {r["verdict"] for r in rows} <= {CONFIRMED, CONTRADICTED, OPEN, ""}
