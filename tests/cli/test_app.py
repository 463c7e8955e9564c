"""The command line: fast where it must be, clear about mistakes, exit status by outcome."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import effbench
from effbench.cli.app import main
from effbench.planning import planner

FAKES = Path(__file__).parents[1] / "fakes"
TOY = ["--scene", "toy/grey", "--budget", "5it", "--device", "cpu", "--plugins", str(FAKES)]


def effbench_(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["list", "methods"],
        ["list", "scenes"],
        ["list", "suites", "--json"],
        ["leaderboard", "--help"],
        ["paper", "--help"],
        ["check", "--help"],
        ["baseline", "--help"],
        ["merge", "--help"],
        ["export-results", "--help"],
        ["paper"],
        ["export", "--help"],
        ["profile", "--help"],
        ["plot", "--help"],
        ["report", "--help"],
        ["pareto", "--help"],
        ["power", "--help"],
        ["scenes", "--help"],
        ["scenes", "show", "--help"],
    ],
)
def test_help_and_listings_do_not_import_torch(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from effbench.cli.app import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "slow = {'torch', 'numba', 'pandas', 'matplotlib', 'scipy', 'rich'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_python_m_effbench_is_the_command() -> None:
    command = [sys.executable, "-m", "effbench", "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert effbench.__version__ in done.stdout


COMMANDS = [
    *([], ["list"], ["run"], ["leaderboard"], ["paper"], ["doctor"], ["export"], ["profile"]),
    *(["plot"], ["report"], ["check"], ["baseline"], ["merge"], ["export-results"]),
    *(["scenes"], ["scenes", "get"], ["scenes", "import"], ["scenes", "show"]),
    *(["scenes", "verify"], ["pareto"], ["power"], ["compare"], ["rerun"]),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples(command: list[str]) -> None:
    result = effbench_(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert "  effbench " in result.output


def test_methods_are_listed_with_parameters_and_defaults() -> None:
    text = effbench_("list", "methods", "--plugins", str(FAKES)).output
    assert "fake\n  One grey value for the whole image.\n" in text
    assert "lr = 0.1 (cpu: 0.2)" in text
    assert "learning rate" in text


def test_scenes_are_listed_with_why_they_are_not_there() -> None:
    text = effbench_("list", "scenes", "--plugins", str(FAKES)).output
    assert "toy/grey" in text
    assert "[not available: it was lost]" in text
    assert "side = 16" in text


def test_suites_are_listed_with_their_rows() -> None:
    text = effbench_("list", "suites", "--plugins", str(FAKES)).output
    assert "scenes: toy/grey; seeds: 2; budget: 5it on cpu" in text
    assert "fake-child mode=ok width=1,2" in text


@pytest.mark.parametrize("what", ["methods", "scenes", "suites"])
def test_listings_are_also_json(what: str) -> None:
    rows = json.loads(effbench_("list", what, "--json", "--plugins", str(FAKES)).output)
    names = {row["name"] for row in rows}
    expected = {"methods": "fake", "scenes": "toy/grey", "suites": "toy"}
    assert expected[what] in names


def test_a_method_with_missing_packages_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "methods").mkdir()
    source = "import no_such_package\nclass A:\n    name = 'needy'\n"
    (tmp_path / "methods/needy.py").write_text(source, encoding="utf-8")
    text = effbench_("list", "methods", "--plugins", str(tmp_path)).output
    assert "needy  [not available: needs no_such_package" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "fakes", *TOY], "error: unknown method 'fakes': did you mean fake"),
        (["--method", "fake", "--set", "width", *TOY], "error: cannot read setting 'width'"),
        (["--method", "fake", "--plugins", "nowhere"], "is no plug-in folder"),
        ([], "error: nothing to run: name a --suite or a --method"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_a_mistake_is_one_message_and_exit_status_2(arguments: list[str], message: str) -> None:
    result = effbench_("run", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_dry_run_prints_the_cells_and_an_estimate_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--budget", "30s", "--seeds", "2", "--dry-run"]
    result = effbench_("run", "--method", "fake-child", *TOY, *options)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert sum(line.startswith("fake_grey_s") and "(parent)" in line for line in lines) == 2
    assert sum(line.startswith("fake-child_grey_s") for line in lines) == 2
    assert any(line.startswith("4 cells on cpu → results/runs/custom-") for line in lines)
    assert lines[-1].startswith("estimated: 3 min 20 s")
    assert not list(tmp_path.iterdir())


def test_a_run_ends_with_a_leaderboard_and_says_where_it_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = ["--set", "mode=ok,raise", "--out", str(out)]
    result = effbench_("run", "--method", "fake", *TOY, *settings)
    assert result.exit_code == 3, "one cell failed"
    assert "mode=raise" in result.output
    assert "RuntimeError: broken on purpose" in result.output
    assert str(out / "leaderboard.md") in result.output
    assert re.search(r"cells took \d+ s each: \d+ an hour, one at a time", result.output)
    assert "\x1b" not in result.output

    md, table, rows = (
        effbench_("leaderboard", str(out), "--format", f) for f in ("md", "csv", "json")
    )
    assert md.output == (out / "leaderboard.md").read_text(encoding="utf-8")
    assert table.output == (out / "leaderboard.csv").read_text(encoding="utf-8")
    assert {row["status"] for row in json.loads(rows.output)} == {"ok", "failed"}

    options = ["--set", "mode=ok", "--out", str(out)]
    again = effbench_("run", "--method", "fake", *TOY, *options)
    assert again.exit_code == 0, "every cell of this plan is done"
    assert "kept from an earlier run" in again.output


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--executor", "ray"], "needs --address HOST:PORT"),
        (["--address", "head:6379"], "add --executor ray or slurm"),
        (["--cluster-option", "partition=gpu"], "add --executor ray or slurm"),
        (["--executor", "slurm", "--address", "head:1"], "--address local"),
        (["--jobs", "1000"], "ask for fewer --jobs or --threads"),
        (["--threads", "1000"], "ask for fewer --jobs or --threads"),
        (["--executor", "slurm", "--allowance", "5it", "--address", "local"], "such as 30m"),
    ],
)
def test_executors_that_cannot_be_had_are_told(
    tmp_path: Path, words: list[str], remedy: str
) -> None:
    result = effbench_("run", "--method", "fake", *TOY, "--out", str(tmp_path / "out"), *words)
    assert result.exit_code == 2
    assert remedy in result.output


def test_a_leaderboard_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    result = effbench_("leaderboard", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "no such folder" in result.stderr


def test_a_record_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "cells/bad").mkdir(parents=True)
    (tmp_path / "cells/bad/record.json").write_text("{", encoding="utf-8")
    result = effbench_("leaderboard", str(tmp_path), "--format", "csv")
    assert result.exit_code == 3
    assert "record.json: is not valid JSON" in result.stderr
    assert result.stdout.startswith("suite,method,variant,scene")


def test_papers_are_listed_and_shown() -> None:
    assert f"\n{'hsm':<20} Efficient NeRF Optimization" in effbench_("paper").output
    assert "| bonsai" in effbench_("paper", "hsm").output
    assert "| coreset" in effbench_("paper", "neuron-pruning").output
    assert "| occupancy skipping" in effbench_("paper", "pytorch-acceleration").output
    assert "NerfAcc, occupancy grid" in effbench_("paper", "nerfacc").output
    table = effbench_("paper", "hsm", "--format", "csv").output
    assert table.startswith("scene,minutes,psnr_hsm")
    mistyped = effbench_("paper", "hms")
    assert mistyped.exit_code == 2
    assert "unknown paper 'hms': did you mean hsm" in mistyped.stderr


def test_results_are_held_against_a_papers_claims(tmp_path: Path) -> None:
    nothing = effbench_("paper", "hsm", str(tmp_path))
    assert nothing.exit_code == 0
    assert "No row of these records is compared with a baseline." in nothing.output
    (tmp_path / "cells/bad").mkdir(parents=True)
    (tmp_path / "cells/bad/record.json").write_text("{", encoding="utf-8")
    broken = effbench_("paper", "hsm", str(tmp_path), "--format", "csv")
    assert broken.exit_code == 3
    assert broken.stdout.startswith("suite,scene,budget,device,method,variant,baseline,measure")
    assert "record.json: is not valid JSON" in broken.stderr
    assert effbench_("paper", "hsm", str(tmp_path / "nowhere")).exit_code == 2


def test_a_suite_with_a_paper_ends_with_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    suite = 'name = "mine"\npaper = "hsm"\n[[entry]]\nmethod = "fake"\n'
    (tmp_path / "suites/mine.toml").write_text(suite, encoding="utf-8")
    out = tmp_path / "out"
    result = effbench_(
        *("run", "--suite", "mine", *TOY, "--plugins", str(tmp_path), "--out", str(out))
    )
    assert result.exit_code == 0, result.output
    assert "no instant-ngp compaction=none under the same conditions" in (
        (out / "verdict.md").read_text(encoding="utf-8")
    )
    assert "hsm: toy/grey, 5it" in result.output
    assert str(out / "verdict.md") in result.output
    assert effbench_("paper", "hsm", str(out)).output == (out / "verdict.md").read_text()


def test_a_suite_whose_paper_has_figures_ends_with_both_sides(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    suite = 'name = "mine"\npaper = "mobile-nelf"\n[[entry]]\nmethod = "fake"\n'
    (tmp_path / "suites/mine.toml").write_text(suite, encoding="utf-8")
    out = tmp_path / "out"
    result = effbench_(
        *("run", "--suite", "mine", *TOY, "--plugins", str(tmp_path), "--out", str(out))
    )
    assert result.exit_code == 0, result.output
    page = (out / "paper.md").read_text(encoding="utf-8")
    assert "These records have no row of `mobilenerf`" in page
    assert str(out / "paper.md") in result.output
    assert effbench_("paper", "mobile-nelf", str(out)).output == page
    assert not (out / "verdict.md").exists()
    shown = effbench_("paper", "mobile-nelf").output
    assert "| nelf-student |" in shown
    assert "4,305,539 parameters" in shown


def test_a_home_folder_is_found_where_no_shell_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lego = tmp_path / "scenes" / "nerf_synthetic" / "lego"
    lego.mkdir(parents=True)
    (lego / "transforms_train.json").write_text("{}")
    done = CliRunner().invoke(main, ["list", "scenes"], env={"EFFBENCH_SCENES": "~/scenes"})
    assert re.search(r"nerf_synthetic/lego +[^\[]*$", done.output, re.MULTILINE), done.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--eval-views", "all", "--curve-views", "all"), (None, None)),
        (("--eval-views", "3", "--curve-views", "0"), (3, 0)),
        ((), (None, 2)),
    ],
)
def test_views_are_a_number_or_all(
    words: tuple[str, ...], expected: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    make = planner.make_plan

    def noted(request: planner.Request, *others: Any) -> Any:
        made = make(request, *others)
        asked.append((made.cells[0].eval_views, made.cells[0].curve_views))
        return made

    monkeypatch.setattr(planner, "make_plan", noted)
    result = effbench_("run", "--method", "fake", *TOY, "--dry-run", *words)
    assert result.exit_code == 0, result.output
    assert asked == [expected]


@pytest.mark.parametrize("words", [(), ("--profile",)])
def test_a_profile_is_asked_for_and_makes_no_other_cells(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = planner.make_plan

    def noted(request: planner.Request, *others: Any) -> Any:
        made.append((make(request, *others), make(replace(request, profile=False), *others)))
        return made[-1][0]

    monkeypatch.setattr(planner, "make_plan", noted)
    result = effbench_("run", "--method", "fake", *TOY, "--dry-run", *words)
    assert result.exit_code == 0, result.output
    ((asked, plain),) = made
    assert (asked.profile, asked.cells) == (bool(words), plain.cells)


@pytest.mark.parametrize("words", [("--eval-views", "0"), ("--curve-views", "some")])
def test_other_numbers_of_views_are_refused(words: tuple[str, str]) -> None:
    assert effbench_("run", "--method", "fake", *TOY, "--dry-run", *words).exit_code == 2


@pytest.mark.parametrize("ranks", ["0", "-1", "two", "1.5"])
def test_ranks_are_a_positive_number(ranks: str) -> None:
    result = effbench_("run", "--method", "fake", *TOY, "--dry-run", "--ranks", ranks)
    assert result.exit_code == 2
    assert "--ranks" in result.output


def test_a_method_that_ranks_cannot_train_is_told_beforehand() -> None:
    result = effbench_("run", "--method", "fake", *TOY, "--dry-run", "--ranks", "2")
    assert (result.exit_code, result.exception.__class__) == (2, SystemExit)
    assert "method 'fake' cannot be trained by 2 ranks" in result.output


def test_more_ranks_than_processors_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effbench.machine.environment.usable_threads", lambda: 2)
    plugins = ["--plugins", str(FAKES.with_name("fakes_of_ranks"))]
    result = effbench_("run", "--method", "shared", *TOY, *plugins, "--dry-run", "--ranks", "3")
    assert result.exit_code == 0, result.output
    assert "warning: 3 ranks share 2 processors" in result.output
    assert "shared_ranks3_grey" in result.output
