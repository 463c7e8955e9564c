"""A paper's figures beside a run's: units, ratios, rows, and the notes' arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from effbench.analysis import paper, side_by_side
from effbench.nerf.lightfield.network import D60_SR3, NeLFNetwork
from effbench.records import record
from effbench.records.record import Record
from effbench.report import papers

MOBILE = paper.load("mobile-nelf")
SCENE: dict[str, Any] = {
    **{"key": "toy", "name": "toy/ramp", "params": {}, "manifest": "m", "verified": None},
    **{"notes": [], "width": 8, "height": 8, "train_views": 2, "test_views": 2},
    "background": [1, 1, 1],
}


def cell(method: str, mb: float, fps: float, ram_mb: float, **changes: Any) -> Record:
    return Record(
        **{
            **{"cell_id": method, "suite": "distill", "method": method, "scene": SCENE},
            **{"budget": "60s", "seed": 1, "device": "CPU"},
            "quality": {"psnr": 25.0},
            "export": {"export_mb": mb, "export_fps": fps, "peak_ram_mb": ram_mb},
            **changes,
        }
    )


STUDENT = cell("nelf-student", 2.0, 10, 80)
PRUNED = cell("iterative-30", 1.0, 15, 60)
QUANTIZED = cell("quantized", 0.5, 30, 50, variant="of=nelf-student", params={"of": "nelf-student"})
OTHER = cell("instant-ngp", 1.0, 1, 1)


def test_rows_are_the_paper_s_methods_and_what_quantises_them() -> None:
    frame = papers.beside(MOBILE, [STUDENT, PRUNED, QUANTIZED, OTHER])
    assert set(frame["method"]) == {"nelf-student", "iterative-30", "quantized"}


def test_figures_are_in_the_paper_s_units_and_relative_to_the_student() -> None:
    frame = papers.beside(MOBILE, [STUDENT, PRUNED, QUANTIZED]).set_index("method")
    pruned = frame.loc["iterative-30"]
    assert (pruned["model_mb"], pruned["fps"], pruned["ram_kb"]) == (1, 15, 60_000)
    assert (pruned["model_mb_ratio"], pruned["fps_ratio"], pruned["ram_kb_ratio"]) == (
        0.5,
        1.5,
        0.75,
    )
    assert (pruned["model_mb_paper"], pruned["fps_paper"], pruned["ram_kb_paper"]) == (9, 22, 680)
    assert pruned["model_mb_paper_ratio"] == pytest.approx(9 / 13)
    assert pruned["fps_paper_ratio"] == pytest.approx(1.1)
    quantized = frame.loc["quantized"]
    assert quantized["model_mb_ratio"] == 0.25
    assert frame["model_mb_paper"].isna()["quantized"], "the paper has no such row"


def test_without_the_student_there_are_no_ratios() -> None:
    frame = papers.beside(MOBILE, [PRUNED])
    assert frame["model_mb_ratio"].isna().all()
    assert frame["model_mb"].iloc[0] == 1


def test_the_page_shows_both_and_the_notes(tmp_path: Path) -> None:
    for each in (STUDENT, PRUNED):
        record.write(tmp_path / "cells" / each.cell_id / "record.json", each)
    _, (table, claims, page) = papers.write(tmp_path, MOBILE)
    text = page.read_text()
    assert "## distill · toy/ramp" in text
    row = next(line for line in text.splitlines() if line.startswith("| iterative-30"))
    cells = [part.strip() for part in row.strip("|").split("|")]
    assert cells == [
        *("iterative-30", "", "n=1", "25.00", ""),
        *("1", "0.50", "9", "0.69", "15", "1.50", "22", "1.10", "60", "0.75", "0.68", "0.97"),
    ]
    assert "| the paper's mobilenerf" in text, "what only the paper has is shown, too"
    assert "Figures that its network, as published, cannot have" in text
    assert claims.name == "verdict.csv"
    assert table.read_text().startswith("suite,scene,budget,device,method,variant,n,psnr,params,")


def test_without_results_the_paper_speaks_alone() -> None:
    text = side_by_side.own_table(MOBILE)
    assert "| nelf-student |" in text
    assert "700" in text
    empty = side_by_side.to_markdown(MOBILE, papers.beside(MOBILE, [OTHER]))
    assert "These records have no row of `mobilenerf`, `nelf-student`" in empty


PRUNING = paper.load("neuron-pruning")


def pruned(psnr: float, iter_ms: float, **params: Any) -> Record:
    variant = ",".join(f"{key}={value}" for key, value in params.items())
    about = {"variant": variant, "params": params, "cell_id": f"nerf-pruned {variant}"}
    return nerf("nerf-pruned", psnr, iter_ms, **about)


def nerf(method: str, psnr: float, iter_ms: float, **changes: Any) -> Record:
    time = {"iter_ms": iter_ms, "iter_ms_mean": iter_ms}
    own = {"quality": {"psnr": psnr}, "time": time, "export": {}, "suite": "pruning"}
    return cell(method, 0, 0, 0, **{**own, **changes})


class TestPruning:
    RUN = (
        nerf("nerf", 25.0, 40.0),
        pruned(24.5, 30.0, selection="coreset", width=128, init="inherit"),
        pruned(24.0, 30.0, selection="w_out", width=64),
        pruned(23.0, 25.0, selection="uniform", width=128),
    )

    def test_rows_are_the_paper_s_by_their_parameters(self) -> None:
        frame = papers.beside(PRUNING, self.RUN)
        assert dict(zip(frame["variant"], frame["row"], strict=True)) == {
            "": "dense",
            "selection=coreset,width=128,init=inherit": "coreset",
            "selection=w_out,width=64": "importance_w_out",
            "selection=uniform,width=128": "",
        }

    def test_the_control_of_rows_that_inherit_stands_beside_them(self) -> None:
        control = nerf("nerf-continued", 26.0, 40.0)
        frame = papers.beside(PRUNING, [*self.RUN, control]).set_index("method")
        found = frame.loc["nerf-continued"]
        assert (found["row"], found["psnr_ratio"]) == ("", pytest.approx(1.0))
        assert pd.isna(found["psnr_paper"]), "the paper has no such row"

    def test_psnr_is_compared_by_differences_time_by_ratios(self) -> None:
        frame = papers.beside(PRUNING, self.RUN).set_index("row")
        coreset = frame.loc["coreset"]
        assert coreset["psnr_ratio"] == pytest.approx(-0.5)
        assert coreset["psnr_paper_ratio"] == pytest.approx(21.3 - 21.5)
        # 30 ms are 50 minutes per 100,000 iterations
        assert coreset["minutes_100k"] == pytest.approx(50)
        assert coreset["minutes_100k_ratio"] == pytest.approx(0.75)
        assert coreset["minutes_100k_paper_ratio"] == pytest.approx(51.25 / 78.75)

    def test_the_page_shows_both(self) -> None:
        text = papers.to_markdown(PRUNING, papers.beside(PRUNING, self.RUN))
        (line,) = (x for x in text.splitlines() if "coreset" in x and x.startswith("| nerf-pruned"))
        cells = [part.strip() for part in line.strip("|").split("|")]
        assert cells[-8:] == ["30", "0.75", "30.75", "0.65", "24.50", "-0.50", "21.3", "-0.20"]
        assert "| the paper's uniform" in text, "of width 64, which was not run"

    def test_its_table_is_the_published_one(self) -> None:
        rows = {row["method"]: row for row in PRUNING.rows}
        assert rows["dense"]["params"] == 595844
        assert (rows["coreset"]["params"], rows["coreset"]["minutes_100k"]) == (288000, 51.25)
        assert [row["psnr"] for row in PRUNING.rows] == [21.5, 21.3, 20.0, 16.5]


CLAIMED = {"selection": "coreset", "width": 128, "init": "inherit"}


class TestClaims:
    """What a paper of figures claims besides, of one row against another."""

    def write(self, folder: Path, seeds: int = 3, loss: float = 0.2) -> None:
        for seed in range(seeds):
            about: dict[str, Any] = {"seed": seed, "repetition": seed}
            psnr = 25 + 0.1 * seed
            for each in (
                nerf("nerf", psnr, 40.0 + seed, size={"model_mb": 2.4}, **about),
                pruned(psnr - loss - 0.01 * seed, 26.0 + seed, **CLAIMED),
            ):
                size = {"model_mb": 1.14 if each.variant else 2.38}
                own = replace(each, **about, size=size, cell_id=f"{each.cell_id} {seed}")
                record.write(folder / "cells" / own.cell_id / "record.json", own)

    def judged(self, folder: Path) -> dict[str, dict[str, Any]]:
        _, paths = papers.write(folder, PRUNING)
        table = pd.read_csv(next(path for path in paths if path.name == "verdict.csv"))
        return {str(row["switch"]): dict(row) for _, row in table.iterrows()}

    def test_a_figure_is_claimed_within_a_margin(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        found = self.judged(tmp_path)
        assert set(found) == {
            f"coreset, 128 wide: {x}" for x in ("size", "iteration time", "quality")
        }
        size, time, quality = (found[name] for name in found)
        assert (size["mean"], size["low"]) == (pytest.approx(1.14 / 2.38),) * 2
        assert (time["claim_low"], time["claim_high"]) == pytest.approx((0.651 / 1.2, 0.651 * 1.2))
        assert (quality["claim_low"], quality["claim_high"]) == pytest.approx((-0.5, 0.1))
        assert {row["verdict"] for row in found.values()} == {"confirmed"}

    def test_another_effect_contradicts(self, tmp_path: Path) -> None:
        self.write(tmp_path, loss=3.0)
        quality = self.judged(tmp_path)["coreset, 128 wide: quality"]
        assert quality["verdict"] == "contradicted"
        assert quality["reason"] == "worse than the baseline"

    def test_the_page_says_what_is_claimed_and_found(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        text = " ".join(papers.write(tmp_path, PRUNING)[1][-1].read_text().split())
        assert "## Claims · pruning · toy/ramp" in text
        assert (
            "**Coreset, 128 wide: quality.** The paper: 21.3 instead of 21.5 dB. Claimed: PSNR at "
            "equal time -0.50 to +0.10 dB."
        ) in text
        assert "(95 %: 0.48 to 0.48×; paired, n=3) – **confirmed**." in text
        assert "uniform, 64 wide: size: needs nerf-pruned" in text

    def test_without_rows_there_is_no_section(self, tmp_path: Path) -> None:
        self.write(tmp_path, seeds=1)
        for folder in tmp_path.glob("cells/nerf-pruned*"):
            (folder / "record.json").unlink()
        assert "## Claims" not in papers.write(tmp_path, PRUNING)[1][-1].read_text()
        assert not self.judged(tmp_path)


@pytest.mark.parametrize("name", ["neuron-pruning", "mobile-nelf"])
def test_claimed_figures_are_those_of_the_published_table(name: str) -> None:
    chosen = paper.load(name)
    own = {row["method"]: row for row in chosen.rows}
    column = {
        **{"size_ratio": "model_mb", "iter_ratio": "minutes_100k", "psnr_gain": "psnr"},
        **{"export_size_ratio": "model_mb", "export_rate_ratio": "fps"},
        "export_ram_ratio": "ram_kb",
    }
    for switch in chosen.switches:
        method, selected = switch.on.method, switch.on.params.get("selection")
        row = own[{"w_out": "importance_w_out"}.get(str(selected), selected) or method]
        figure = column[switch.claim.measure]
        base = own[chosen.reference][figure]
        value = row[figure] - base if figure == "psnr" else row[figure] / base
        stated = switch.claim.stated
        assert stated is not None
        assert value == pytest.approx(stated, abs=6e-4 if figure != "model_mb" else 4e-3)


def test_the_notes_figures_follow_from_the_network() -> None:
    parameters = sum(p.numel() for p in NeLFNetwork(D60_SR3).parameters())
    size, pruned, memory = (note.text for note in MOBILE.notes if note.cannot)
    assert f"{parameters:,} parameters" in size
    for byte_count, name in ((4, "fp32"), (2, "fp16"), (1, "int8")):
        assert f"{parameters * byte_count / 1e6:.1f} MB in {name}" in size
    millions = [parameters * (1 - share) ** 2 / 1e6 for share in (0.3, 0.5)]
    assert f"{millions[0]:.1f} and {millions[1]:.1f} million" in pruned
    assert f"{millions[0] * 4:.1f} and {millions[1] * 4:.1f} MB" in pruned
    activation = 256 * 100 * 100
    assert f"{activation * 4 / 1e6:.1f} MB in fp32" in memory
    assert f"{activation / 1e6:.1f} MB in int8" in memory
    assert f"{800 * 800 * 3 / 1e6:.1f} MB in 8 bits" in memory
