"""The regression gate on made-up runs: what it must see, must not see, and must say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from effbench.cli.app import main
from effbench.errors import ConfigError
from effbench.records import record
from effbench.records.record import Record
from effbench.report.gate import check as gate
from effbench.report.gate import snapshot, text, tolerances
from effbench.report.gate.check import Report
from effbench.report.gate.options import Options

# Three seeds per row: psnr in dB, iteration times in ms, peak memory in MB.
ROWS = {
    "ngp": ([30.0, 30.1, 29.9], [10.0, 10.4, 9.8], [500.0, 504.0, 498.0]),
    "hsm": ([30.4, 30.3, 30.5], [7.0, 7.2, 6.9], [300.0, 301.0, 303.0]),
    "nerf": ([22.1, 22.0, 22.2], [40.0, 41.0, 39.6], [800.0, 790.0, 805.0]),
    "proposal": ([28.0, 28.2, 28.1], [13.0, 13.1, 12.6], [600.0, 606.0, 599.0]),
}
Change = Callable[[dict[str, Any]], None]


def record_of(method: str, repetition: int) -> dict[str, Any]:
    psnr, iter_ms, peak = (values[repetition] for values in ROWS[method])
    return record.to_dict(
        Record(
            cell_id=f"{method}_s{repetition}",
            suite="toy",
            method=method,
            scene={"key": "blocks", "name": "procedural/blocks", "manifest": "abc"},
            budget="60s",
            seed=repetition,
            repetition=repetition,
            params={"lr": 0.01},
            quality={"psnr": psnr, "eval_views": 20},
            time={"iter_ms": iter_ms, "render_ms": 50.0},
            memory={"peak_mem_mb": peak},
            size={"model_mb": 6.25},
            device="CPU",
            backend="cpu",
            provenance={"threads": 2, "started": "2026-01-01T00:00:00+00:00"},
        )
    )


def write(folder: Path, change: Change | None = None) -> Path:
    """Write the run to a folder, every record changed by `change`; one left empty is left out."""
    for method in ROWS:
        for repetition in range(3):
            data = record_of(method, repetition)
            if change:
                change(data)
            if data:
                path = folder / "cells" / f"{method}_s{repetition}" / "record.json"
                path.parent.mkdir(parents=True)
                path.write_text(json.dumps(data), encoding="utf-8")
    return folder


def of(method: str, group: str, name: str, change: Callable[[float], float]) -> Change:
    """Return the change of one figure of one method."""

    def apply(data: dict[str, Any]) -> None:
        if data["method"] == method:
            data[group][name] = change(data[group][name])

    return apply


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(tmp_path / "base")


def check(candidate: Path, base: Path, *settings: str, **options: Any) -> Report:
    chosen = Options(tolerances.tolerances(settings), **options)
    return gate.check(snapshot.load(candidate), snapshot.load(base), chosen)


def effbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def verdicts(report: Report, verdict: str) -> list[tuple[str, str]]:
    rows = report.table[report.table["verdict"] == verdict]
    return list(zip(rows["method"], rows["figure"], strict=True))


class TestVerdicts:
    def test_a_run_against_itself_passes(self, base: Path) -> None:
        report = check(base, base)
        assert report.status == 0
        assert report.counts["within noise"] == 4 * 4
        assert report.notes == []

    def test_half_a_decibel_less_is_a_regression(self, base: Path, tmp_path: Path) -> None:
        worse = write(
            tmp_path / "new", lambda d: d["quality"].update(psnr=d["quality"]["psnr"] - 0.5)
        )
        report = check(worse, base)
        assert report.status == 1
        assert verdicts(report, "regressed") == [(m, "psnr") for m in sorted(ROWS)]
        assert report.table["change"][0] == pytest.approx(-0.5)
        assert set(report.table["p"][:4]) == {0.0}, "every seed lost the same: that is no noise"

    @pytest.mark.parametrize("test", ["moderated", "welch"])
    def test_other_seeds_that_are_half_a_decibel_worse_are_tested(
        self, base: Path, tmp_path: Path, test: str
    ) -> None:
        def worse(data: dict[str, Any]) -> None:
            psnr = ROWS[data["method"]][0][(data["repetition"] + 1) % 3]
            data["quality"]["psnr"] = psnr - 0.5

        report = check(write(tmp_path / "new", worse), base, test=test)
        psnr = report.table[report.table["figure"] == "psnr"]
        assert set(psnr["verdict"]) == {"regressed"}
        assert (psnr["p"] > 0).all()
        assert set(psnr["change"].round(9)) == {-0.5}

    def test_twice_the_iteration_time_of_one_method_is_a_regression(
        self, base: Path, tmp_path: Path
    ) -> None:
        worse = write(tmp_path / "new", of("nerf", "time", "iter_ms", lambda t: 2 * t))
        report = check(worse, base)
        assert verdicts(report, "regressed") == [("nerf", "iter_ms")]
        line = report.table.iloc[0]
        assert line["change"] == pytest.approx(1.0)
        # in units of the reference's own iteration, hsm's, the first by name
        assert report.options.reference == "hsm"
        assert line["baseline"] == pytest.approx((40 / 7 + 41 / 7.2 + 39.6 / 6.9) / 3)

    def test_twice_the_iteration_time_of_everything_is_one(
        self, base: Path, tmp_path: Path
    ) -> None:
        worse = write(
            tmp_path / "new", lambda d: d["time"].update(iter_ms=2 * d["time"]["iter_ms"])
        )
        report = check(worse, base)
        assert verdicts(report, "regressed") == [("hsm", "iter_ms")]
        assert report.table["change"][0] == pytest.approx(1.0)

    def test_a_machine_that_is_a_fifth_slower_today_is_not(
        self, base: Path, tmp_path: Path
    ) -> None:
        slow = write(
            tmp_path / "new", lambda d: d["time"].update(iter_ms=1.2 * d["time"]["iter_ms"])
        )
        report = check(slow, base)
        assert report.status == 0
        reasons = dict(zip(report.table["method"], report.table["reason"], strict=True))
        assert "significant, but within the tolerance" in set(report.table["reason"])
        assert report.counts["regressed"] == 0, reasons

    def test_better_is_improved_and_passes(self, base: Path, tmp_path: Path) -> None:
        better = write(tmp_path / "new", of("nerf", "quality", "psnr", lambda p: p + 1))
        report = check(better, base)
        assert report.status == 0
        assert verdicts(report, "improved") == [("nerf", "psnr")]

    def test_a_larger_model_needs_no_test(self, base: Path, tmp_path: Path) -> None:
        larger = write(tmp_path / "new", of("hsm", "size", "model_mb", lambda s: 1.06 * s))
        report = check(larger, base)
        assert verdicts(report, "regressed") == [("hsm", "model_mb")]
        assert report.table["p"][0] == 0.0
        assert check(larger, base, "model_mb=7%").status == 0

    def test_a_loss_beyond_the_tolerance_that_noise_explains_is_none(
        self, base: Path, tmp_path: Path
    ) -> None:
        noisy = write(
            tmp_path / "new",
            lambda d: d["quality"].update(
                psnr=d["quality"]["psnr"] + [1.0, -2.5, 0.0][d["repetition"]]
            ),
        )
        report = check(noisy, base)
        psnr = report.table[report.table["figure"] == "psnr"]
        assert set(psnr["verdict"]) == {"within noise"}
        assert set(psnr["reason"]) == {"not significant"}

    def test_one_seed_cannot_tell(self, base: Path, tmp_path: Path) -> None:
        def one_seed(data: dict[str, Any]) -> None:
            data["quality"]["psnr"] -= 5
            if data["repetition"]:
                data.clear()

        report = check(write(tmp_path / "new", one_seed), base)
        assert report.status == 0
        assert set(report.table["verdict"]) == {"within noise"}
        reason = "cannot tell: n too small (1 against 3 seeds, 2 are needed on each side)"
        assert set(report.table["reason"]) == {reason}
        assert "16 of them cannot be told: too few seeds" in text.summary(report)


class TestMissing:
    def test_a_method_that_was_not_run(self, base: Path, tmp_path: Path) -> None:
        fewer = write(tmp_path / "new", lambda d: d.clear() if d["method"] == "nerf" else None)
        report = check(fewer, base)
        assert report.status == 2
        assert verdicts(report, "missing") == [("nerf", "")]
        assert report.table["reason"][0] == "not run"
        assert verdicts(check(base, fewer), "new") == [("nerf", "")]
        assert check(base, fewer).status == 0

    def test_seeds_that_fail_now(self, base: Path, tmp_path: Path) -> None:
        def diverged(data: dict[str, Any]) -> None:
            if data["method"] == "nerf" and data["repetition"] != 1:
                blank = record.to_dict(Record("x", "", "x", {}, "1s", 0))
                data |= {g: blank[g] for g in ("quality", "time", "memory", "size")}
                data |= {"status": "diverged", "reason": "the loss is nan", "device": ""}

        report = check(write(tmp_path / "new", diverged), base)
        assert report.status == 2
        assert verdicts(report, "missing") == [("nerf", "")]
        assert report.table["reason"][0] == "2× diverged: the loss is nan"

    def test_all_seeds_failed_before_their_device_was_known(
        self, base: Path, tmp_path: Path
    ) -> None:
        def out_of_memory(data: dict[str, Any]) -> None:
            if data["method"] == "nerf":
                data |= {"status": "oom", "reason": "needs 9 GB", "device": ""}

        report = check(write(tmp_path / "new", out_of_memory), base)
        assert report.table["reason"][0] == "3× oom: needs 9 GB"

    def test_a_figure_that_is_not_measured_any_more(self, base: Path, tmp_path: Path) -> None:
        blind = write(tmp_path / "new", lambda d: d["memory"].update(peak_mem_mb=None))
        report = check(blind, base)
        assert report.status == 2
        assert verdicts(report, "missing") == [(m, "peak_mem_mb") for m in sorted(ROWS)]
        assert check(base, blind).counts["missing"] == 0

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda d: d["scene"].update(manifest="def"), "the scene's files differ"),
            (
                lambda d: d["quality"].update(eval_views=5),
                "evaluated on 5 test views, the baseline on 20",
            ),
        ],
        ids=["files", "views"],
    )
    def test_what_is_not_comparable(
        self, base: Path, tmp_path: Path, change: Change, reason: str
    ) -> None:
        report = check(write(tmp_path / "new", change), base)
        assert report.status == 2
        assert set(report.table["reason"]) == {f"not comparable: {reason}"}

    def test_a_corrupt_record(self, base: Path, tmp_path: Path) -> None:
        new = shutil.copytree(base, tmp_path / "new")
        (new / "cells" / "nerf_s0" / "record.json").write_text("{", encoding="utf-8")
        result = effbench("check", new, "--baseline", base)
        assert result.exit_code == 2
        assert "note: left out: " in result.output
        assert "nerf_s0/record.json: is not valid JSON" in result.output
        assert "1 records unreadable: INCOMPLETE" in result.output
        refused = effbench("check", base, "--baseline", new)
        assert refused.exit_code == 2
        assert "is not valid JSON" in refused.stderr


class TestRefusals:
    def test_other_hardware(self, base: Path, tmp_path: Path) -> None:
        def on_gpu(data: dict[str, Any]) -> None:
            data["device"] = "H200"
            data["time"]["iter_ms"] /= 10

        new = write(tmp_path / "new", on_gpu)
        with pytest.raises(
            ConfigError, match=r"made on H200 \(2 threads\), .* on CPU \(2 threads\)"
        ):
            check(new, base)
        report = check(new, base, allow_hardware=True)
        assert report.status == 0, "ratios to the reference are the same"
        assert ("hsm", "iter_ms") not in verdicts(report, "within noise")
        assert report.notes[0].startswith("other hardware: H200 (2 threads), the baseline on CPU")

    def test_other_versions_of_libraries_are_noted(self, base: Path, tmp_path: Path) -> None:
        def made_with(torch: str, numba: str | None) -> Change:
            def apply(data: dict[str, Any]) -> None:
                data["provenance"] |= {"python": "3.12.1"}
                data["provenance"]["packages"] = {"torch": torch, "numba": numba}

            return apply

        old = write(tmp_path / "old", made_with("2.12.0", "0.68"))
        assert check(write(tmp_path / "same", made_with("2.12.0", None)), old).notes == []
        (note,) = check(write(tmp_path / "other", made_with("2.13.0", "0.68")), old).notes
        assert note == "other versions: torch 2.13.0, the baseline with 2.12.0"
        assert check(old, base).notes == [], "a baseline that does not say has no other"

    def test_other_numbers_of_threads_are_other_hardware(self, base: Path, tmp_path: Path) -> None:
        new = write(tmp_path / "new", lambda d: d["provenance"].update(threads=64))
        with pytest.raises(ConfigError, match=r"CPU \(64 threads\)"):
            check(new, base)

    def test_several_runs_in_one_folder(self, base: Path, tmp_path: Path) -> None:
        shutil.copytree(base, tmp_path / "two" / "a")
        write(tmp_path / "two" / "b", lambda d: d["params"].update(lr=0.1))
        with pytest.raises(ConfigError, match="was run with 2 sets of parameters: name one run's"):
            check(tmp_path / "two", base)

    def test_changed_defaults_are_noted(self, base: Path, tmp_path: Path) -> None:
        new = write(tmp_path / "new", lambda d: d["params"].update(lr=0.1, ema=0.9))
        report = check(new, base)
        assert "ngp on procedural/blocks: parameters differ: ema unset → 0.9, lr 0.01 → 0.1" in (
            report.notes
        )

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (["psrn=1"], "unknown figure in --tolerance 'psrn': did you mean psnr"),
            (["psnr=1%"], r"cannot read --tolerance psnr=1%: psnr is a difference: psnr=0\.2"),
            (["iter_ms=10"], "iter_ms is compared as a ratio: iter_ms=10%"),
            (["psnr"], "cannot read --tolerance psnr="),
            (["psnr=-1"], "cannot read"),
        ],
    )
    def test_tolerances_that_cannot_be_read(self, settings: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            tolerances.tolerances(settings)

    def test_tolerances(self) -> None:
        found = tolerances.tolerances(["psnr=0.3", "iter_ms=12.5%", "model_mb=off", "ssim=0.01"])
        assert found == {
            "psnr": 0.3,
            "iter_ms": 0.125,
            "peak_mem_mb": 0.1,
            "drift": 0.5,
            "ssim": 0.01,
        }

    def test_a_reference_may_be_chosen_and_must_exist(self, base: Path) -> None:
        assert check(base, base, reference="nerf").options.reference == "nerf"
        with pytest.raises(ConfigError, match="unknown --reference 'hms': did you mean hsm"):
            check(base, base, reference="hms")


class TestCommand:
    def test_text_ends_with_the_summary(self, base: Path) -> None:
        result = effbench("check", base, "--baseline", base)
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[-1] == "16 within noise: passed"
        assert "durations are ratios to hsm in the same run" in result.output

    def test_a_baseline_file_does_as_well_as_the_folder(self, base: Path, tmp_path: Path) -> None:
        file = tmp_path / "base.json"
        assert effbench("baseline", base, "--out", file).exit_code == 0
        assert effbench("check", base, "--baseline", file).exit_code == 0
        worse = write(
            tmp_path / "new", lambda d: d["quality"].update(psnr=d["quality"]["psnr"] - 0.5)
        )
        result = effbench("check", worse, "--baseline", file)
        assert result.exit_code == 1
        assert result.output.splitlines()[-1] == "4 regressed, 12 within noise: FAILED"
        assert "30.00 ± 0.100 (n=3)" in result.output
        assert "-0.500 dB" in result.output

    def test_json_and_junit(self, base: Path, tmp_path: Path) -> None:
        worse = write(tmp_path / "new", of("ngp", "quality", "psnr", lambda p: p - 0.7))
        shutil.rmtree(worse / "cells" / "nerf_s0")
        shutil.rmtree(worse / "cells" / "nerf_s1")
        shutil.rmtree(worse / "cells" / "nerf_s2")
        data = json.loads(effbench("check", worse, "--baseline", base, "--format", "json").output)
        assert (data["status"], data["counts"]["regressed"]) == (1, 1)
        assert data["lines"][0]["change"] == pytest.approx(-0.7)
        assert data["lines"][0]["verdict"] == "regressed"
        assert data["lines"][1]["change"] is None
        output = effbench("check", worse, "--baseline", base, "--format", "junit").output
        suite = ElementTree.fromstring(output)
        assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
            "tests": "13",
            "failures": "1",
            "errors": "1",
            "skipped": "0",
        }
        (failure,) = suite.iter("failure")
        assert str(failure.get("message")).startswith(
            "ngp on procedural/blocks, 60s: psnr regressed 30.00 ± 0.100 (n=3) → 29.30"
        )

    def test_in_actions_regressions_are_annotated_and_summarised(
        self, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        worse = write(tmp_path / "new", of("ngp", "size", "model_mb", lambda p: 2 * p))
        result = effbench("check", worse, "--baseline", base, "--format", "json")
        assert json.loads(result.stdout)["status"] == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("::error title=effbench check::ngp on procedural/blocks, 60s: model")
        assert "+100.0 %25" in line, "GitHub takes % as the start of an escape"
        page = (tmp_path / "summary.md").read_text(encoding="utf-8")
        assert page.startswith("# Regression check\n\n**1 regressed, 15 within noise: FAILED**")

    def test_other_hardware_has_a_status_of_its_own(self, base: Path, tmp_path: Path) -> None:
        new = write(tmp_path / "new", lambda d: d.update(device="H200"))
        result = effbench("check", new, "--baseline", base)
        assert result.exit_code == 5
        assert "pass --allow-hardware to compare all the same" in result.stderr

    def test_no_baseline_has_a_status_of_its_own(self, base: Path, tmp_path: Path) -> None:
        result = effbench("check", base, "--baseline", tmp_path / "none.json")
        assert result.exit_code == 4
        assert "none.json: cannot be read" in result.stderr

    def test_empty_folders_and_other_schema_versions(self, base: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        result = effbench("check", tmp_path / "empty", "--baseline", base)
        assert result.exit_code == 4
        assert "empty: holds no records: name a run's output folder" in result.stderr
        foreign = write(tmp_path / "foreign", lambda d: d.update(schema_version=2))
        result = effbench("check", foreign, "--baseline", base)
        assert result.exit_code == 4
        assert "none of its 12 records can be read; first: " in result.stderr
        assert "schema version 2, but this effbench reads version 1" in result.stderr
        assert "Traceback" not in result.output
