"""Leaderboards from records: figures worked out by hand, failures and gaps shown as such."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from effbench.records import tables
from effbench.records.record import Record

ISSUED = (
    "suite,method,variant,scene,n,budget,status,psnr,psnr_std,ssim,lpips_vgg,lpips_alex,flip,"
    "train_s,setup_s,prepare_s,iterations,iter_ms,iter_ms_p95,peak_mem_mb,saved_mb,params,nonzero,"
    "model_mb,model_zst_mb,render_ms,fps,energy_j,device,backend"
)
EXPORT = "export_mb,latency_ms,latency_p95_ms,export_fps,peak_ram_mb,macs"
CONTEXT = (
    "eval_views,curve_views,iter_ms_mean,commit,speed,marks,total_train_s,"
    "parent,over_parent,over_parent_low,over_parent_high,over_parent_n,"
    "control,over_control,over_control_low,over_control_high,over_control_n,"
    "at_total_s,psnr_at_total,psnr_at_total_bound,"
    "at_iterations,psnr_at_iterations,psnr_at_iterations_bound,to_baseline_s,to_baseline_bound,"
    "baseline,psnr_p,better,worse,psnr_worst,psnr_p5"
)


def cell(seed: int = 0, psnr: float | None = 20.0, **changes: Any) -> Record:
    """A finished cell, or with `psnr=None` one that diverged before its device was known."""
    name = changes.pop("scene", "blocks")
    about: dict[str, Any] = {
        "cell_id": f"{changes.get('method', 'nerf')}-{changes.get('variant', '')}-{name}-{seed}",
        "suite": "pruning",
        "method": "nerf",
        "scene": {"key": name, "name": f"procedural/{name}", "manifest": "abc"},
        "budget": "60s",
        "seed": seed,
        "repetition": seed,
        "quality": {"psnr": psnr, "ssim": 0.9},
        "time": {"iterations": 100 + seed, "train_s": 60.0},
        "size": {"model_mb": 2.383376, "params": 595844},
        "device": "CPU",
        "backend": "cpu",
    }
    if psnr is None:
        about |= {"status": "diverged", "reason": "the loss is nan", "device": ""}
        about |= {"quality": {}, "time": {}, "size": {}}
        about["scene"] = {**about["scene"], "manifest": None}
    return Record(**{**about, **changes})


def test_a_parent_of_another_scene_is_nothing_to_compare_with() -> None:
    here, there = cell(), cell(scene="temple", psnr=40.0)
    for parent, expected in ((here, 1.0), (there, None)):
        child = cell(psnr=21.0, variant="width=9", parents={"dense": parent.cell_id})
        board = tables.leaderboard([here, there, child]).set_index("variant")
        row = board.loc["width=9"]
        assert row["parent"] == ("nerf" if expected else "")
        found = row["over_parent"]
        assert found == expected if expected else pd.isna(found)


class TestLeaderboard:
    def test_columns_are_exactly_these_and_then_the_extra_ones(self) -> None:
        for records in ([], [cell()]):
            frame = tables.leaderboard(records)
            assert ",".join(frame.columns[:30]) == ISSUED
            assert ",".join(frame.columns[30:]) == f"role,reason,{EXPORT},{CONTEXT}"

    def test_mean_and_sample_deviation_over_seeds(self) -> None:
        frame = tables.leaderboard([cell(0, 20.0), cell(1, 21.0), cell(2, 22.5)])
        row = frame.iloc[0]
        assert len(frame) == 1
        assert row["n"] == 3
        assert row["psnr"] == pytest.approx(63.5 / 3)
        # deviations −7/6, −1/6, 8/6: their squares sum to 114/36, divided by n − 1 = 2
        assert row["psnr_std"] == pytest.approx((114 / 72) ** 0.5)
        assert row["iterations"] == 101
        assert row["model_mb"] == pytest.approx(2.383376)
        assert row["status"] == "ok"

    def test_the_worst_view_and_the_lower_end_are_means_over_seeds(self) -> None:
        views = [[{"name": str(i), "psnr": 20.0 + i + s} for i in range(21)] for s in (0, 1)]
        quality = [{"psnr": 30.0 + s, "per_view": views[s]} for s in (0, 1)]
        row = tables.leaderboard([cell(s, quality=quality[s]) for s in (0, 1)]).iloc[0]
        assert row["psnr_worst"] == 20.5
        assert row["psnr_p5"] == 21.5  # 5 % of 20 steps: the second lowest

    def test_a_single_seed_has_no_deviation_and_what_was_not_measured_is_empty(self) -> None:
        row = tables.leaderboard([cell()]).iloc[0]
        assert row["n"] == 1
        assert pd.isna(row["psnr_std"])
        assert pd.isna(row["energy_j"])
        assert pd.isna(row["nonzero"])

    def test_a_failed_seed_stays_with_the_seeds_that_finished(self) -> None:
        frame = tables.leaderboard([cell(0, 20.0), cell(1, None), cell(2, 22.0)])
        row = frame.iloc[0]
        assert len(frame) == 1
        assert row["status"] == "ok 2/3, diverged 1/3"
        assert row["n"] == 2
        assert row["psnr"] == 21.0
        assert row["device"] == "CPU"
        assert row["reason"] == "the loss is nan"

    def test_a_row_without_any_finished_cell(self) -> None:
        row = tables.leaderboard([cell(0, None), cell(1, None)]).iloc[0]
        assert row["status"] == "diverged"
        assert row["n"] == 0
        assert pd.isna(row["psnr"])

    @pytest.mark.parametrize(
        "changes",
        [
            {"budget": "30s"},
            {"variant": "width=64"},
            {"params": {"width": 64}},
            {"device": "H200"},
            {"scene": "spheres"},
            {"suite": "hsm"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_different_experiments_are_never_averaged(self, changes: dict[str, Any]) -> None:
        frame = tables.leaderboard([cell(0, 20.0), cell(1, 30.0, **changes)])
        assert sorted(frame["psnr"]) == [20.0, 30.0]

    def test_scenes_whose_files_differ_are_never_averaged(self) -> None:
        other = cell(1, 30.0)
        other.scene["manifest"] = "def"
        assert len(tables.leaderboard([cell(0, 20.0), other])) == 2

    def test_sorted_by_scene_then_best_psnr_with_failures_last(self) -> None:
        frame = tables.leaderboard(
            [
                cell(method="a", psnr=None, device="CPU"),
                cell(method="b", psnr=20.0),
                cell(method="c", psnr=25.0),
                cell(method="d", psnr=19.0, scene="arch"),
            ]
        )
        assert list(frame["method"]) == ["d", "c", "b", "a"]

    def test_parameters_that_differ_have_a_column(self) -> None:
        frame = tables.leaderboard(
            [
                cell(method="nerf", params={"depth": 8}),
                cell(method="pruned", variant="w=64", params={"depth": 8, "w": 64, "init": "a"}),
                cell(method="pruned", variant="w=128", params={"depth": 8, "w": 128, "init": "a"}),
            ]
        )
        assert list(frame.columns[38:]) == ["param.w", *CONTEXT.split(",")]
        assert dict(zip(frame["variant"], frame["param.w"], strict=True)) == {
            "": None,
            "w=64": "64",
            "w=128": "128",
        }

    def test_of_a_cell_that_was_run_again_the_last_run_counts(self) -> None:
        early = cell(0, 20.0, provenance={"started": "2025-01-01T00:00:00+00:00"})
        late = cell(0, 26.0, provenance={"started": "2025-01-02T00:00:00+00:00"})
        row = tables.leaderboard([late, early]).iloc[0]
        assert (row["n"], row["psnr"]) == (1, 26.0)

    def test_a_row_that_is_only_a_parent_says_so(self) -> None:
        frame = tables.leaderboard([cell(role="parent"), cell(method="pruned", psnr=19.0)])
        assert list(frame["role"]) == ["parent", "row"]


class TestSuiteMeans:
    def test_only_over_complete_sets_of_scenes(self) -> None:
        frame = tables.leaderboard(
            [
                cell(method="full", psnr=20.0),
                cell(method="full", psnr=30.0, scene="spheres"),
                cell(method="partial", psnr=40.0),
                cell(method="broken", psnr=40.0),
                cell(method="broken", psnr=None, scene="spheres"),
            ]
        )
        means = tables.suite_means(frame)
        assert list(means["method"]) == ["full"]
        assert means["psnr"][0] == 25.0
        assert means["scenes"][0] == 2
        assert pd.isna(means["fps"][0])

    def test_scenes_weigh_the_same_whatever_their_number_of_seeds(self) -> None:
        frame = tables.leaderboard(
            [cell(0, 20.0), cell(1, 22.0), cell(2, 24.0), cell(0, 30.0, scene="spheres")]
        )
        assert tables.suite_means(frame)["psnr"][0] == 26.0

    def test_one_scene_has_no_mean(self) -> None:
        assert tables.suite_means(tables.leaderboard([cell()])).empty


class TestFormats:
    def test_csv_leaves_gaps_empty(self) -> None:
        header, row, *rest = tables.to_csv(tables.leaderboard([cell()])).splitlines()
        assert header.startswith(ISSUED)
        assert row.startswith("pruning,nerf,default,procedural/blocks,1,60s,ok,20,,0.9,,,,60,")
        assert ",595844,,2.383376," in row
        assert rest == []

    def test_json_leaves_gaps_null(self) -> None:
        rows = json.loads(tables.to_json(tables.leaderboard([cell()])))
        assert rows[0]["psnr"] == 20.0
        assert rows[0]["psnr_std"] is None
        assert rows[0]["params"] == 595844

    def test_markdown_rounds_and_lists_failures(self) -> None:
        frame = tables.leaderboard(
            [
                cell(0, 20.004),
                cell(1, 21.0),
                cell(method="pruned", variant="w=64,i=a|b", psnr=19.0),
                cell(method="bad", psnr=None, device="CPU"),
            ]
        )
        text = tables.to_markdown(frame, ["cells/x/record.json: is not valid JSON"])
        lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
        cells = {name: [c.strip() for c in line.split(" | ")] for name, line in lines.items()}
        assert "## pruning · procedural/blocks" in text
        assert "Budget 60s on CPU." in text
        assert cells["nerf"][2:5] == ["n=2", "", "**20.50 ± 0.70**"]
        assert cells["pruned"][1:5] == ["w=64, i=a\\|b", "n=1", "", "19.00"]
        assert "2.383" in cells["nerf"]
        assert "595,844" in cells["nerf"]
        assert "LPIPS" not in lines["method"]
        assert "Not measured in any row: `lpips_vgg`, `lpips_alex`, `flip`" in text
        assert "* **bad** on procedural/blocks, 60s: diverged. the loss is nan" in text
        assert "* cells/x/record.json: is not valid JSON" in text
        assert "mean of" not in text

    def test_markdown_gives_the_mean_of_several_scenes(self) -> None:
        frame = tables.leaderboard([cell(psnr=20.0), cell(psnr=23.0, scene="spheres")])
        text = tables.to_markdown(frame)
        assert "## pruning · mean of 2 scenes" in text
        assert "21.50" in text.partition("mean of 2 scenes")[2]

    def test_markdown_without_records(self) -> None:
        assert tables.to_markdown(tables.leaderboard([])) == "# Leaderboard\n\nNo records.\n"


def test_tables_and_plots_do_not_import_torch() -> None:
    program = (
        "import sys; from effbench.records import tables; "
        "from effbench.report.plots import pictures; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
