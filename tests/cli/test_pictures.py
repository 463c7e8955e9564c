"""`effbench plot` and `effbench report`: from records alone, problems named, mistakes refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from effbench.cli.app import main
from tests.results_folder import write_results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_results(tmp_path / "run", scenes=["a/b"], seeds=1, views=1, size=16)
    return tmp_path / "run"


def effbench_(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_pictures_are_drawn_where_and_how_one_says(run: Path, tmp_path: Path) -> None:
    done = effbench_("plot", run, "--out", tmp_path / "out", "--format", "svg")
    assert done.exit_code == 0, done.output
    paths = [Path(line) for line in done.output.splitlines()]
    assert tmp_path / "out" / "psnr-over-time.svg" in paths
    assert {path.suffix for path in paths} == {".svg"}
    assert all(path.is_file() for path in paths)


def test_a_report_says_where_it_is_and_how_large(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    done = effbench_("report", run, run, "--out", path, "--title", "Small & fast", "--views", "0")
    assert done.exit_code == 0, done.output
    assert done.output == f"{path} ({path.stat().st_size / 1e6:.1f} MB)\n"
    assert "<h1>Small &amp; fast</h1>" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["plot", "report"])
def test_what_cannot_be_read_is_named_and_the_rest_is_there(
    run: Path, tmp_path: Path, command: str
) -> None:
    next(run.glob("cells/*/record.json")).write_text("{")
    extra = ["--out", str(tmp_path / "report.html")] if command == "report" else []
    done = effbench_(command, run, *extra)
    assert done.exit_code == 3
    assert "record.json: is not valid JSON" in done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", ["plot", "report"])
def test_mistakes_are_refused(run: Path, command: str) -> None:
    done = effbench_(command, run / "nowhere")
    assert done.exit_code == 2
    assert "no such folder" in done.stderr
    done = effbench_(command, run, "--baseline", "nerv")
    assert done.exit_code == 2
    assert "did you mean nerf" in done.stderr


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    done = effbench_("plot", tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing to draw" in done.stderr


def test_neither_imports_torch(run: Path, tmp_path: Path) -> None:
    """A page can be made on a machine that could not train."""
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from effbench.report.page import page\nfrom effbench.report.plots import pictures\n"
        f"pictures.write_plots({str(run)!r}, formats=['png'])\n"
        f"page.write([{str(run)!r}], Path({str(tmp_path / 'r.html')!r}))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
