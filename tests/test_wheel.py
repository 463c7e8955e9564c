"""The built wheel works on its own, from any folder: package, plug-ins, suites and schemas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as a release is."""
    folder = tmp_path_factory.mktemp("dist")
    options = ["--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", "build", *options], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; dependencies are seen where this Python has them.

    A .pth file adds only the folder: this checkout's editable installation, a .pth file too, is
    not followed from there.
    """
    venv = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv)}))
    seen = [sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith("-packages"))]
    (packages / "dependencies.pth").write_text("\n".join(dict.fromkeys(seen)), encoding="utf-8")
    return venv


def run(venv: Path, folder: Path, *command: str) -> str:
    """Run a command of the environment in `folder`, with no trace of the checkout; its output."""
    leaks = ("PYTHONPATH", "EFFBENCH_PLUGINS", "EFFBENCH_SCENES", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in leaks}
    path = str(venv / "bin" / command[0])
    done = subprocess.run([path, *command[1:]], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_carries_data_files_and_plugins(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"effbench/py.typed", "effbench/records/record.schema.json"} <= names
    for source, target in (
        ("effbench/planning/suites/*.toml", "effbench/planning/suites"),
        ("effbench/analysis/papers/*", "effbench/analysis/papers"),
        ("effbench/report/page/template/*", "effbench/report/page/template"),
        ("methods/*.py", "effbench/_bundled/methods"),
        ("scenes/*.py", "effbench/_bundled/scenes"),
        ("scenes/manifests/*.json", "effbench/_bundled/scenes/manifests"),
    ):
        expected = {f"{target}/{path.name}" for path in ROOT.glob(source)}
        assert expected, f"the checkout has no {source}"
        assert expected <= names


def test_wheel_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"effbench"}
    assert not [name for name in names if "__pycache__" in name]


def test_wheel_is_what_is_imported(installed: Path, tmp_path: Path) -> None:
    printed = run(installed, tmp_path, "python", "-c", "import effbench; print(effbench.__file__)")
    assert Path(printed.strip()).is_relative_to(installed)


def test_built_in_plugins_and_suites_are_listed(installed: Path, tmp_path: Path) -> None:
    assert "instant-ngp" in run(installed, tmp_path, "effbench", "list", "methods")
    assert "procedural/blocks" in run(installed, tmp_path, "effbench", "list", "scenes")
    assert "pruning" in run(installed, tmp_path, "effbench", "list", "suites")


@pytest.mark.timeout(600)
def test_tiny_cell_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """Of the method with the fewest kernels, which are compiled anew for this folder."""
    cell = ["--method", "nerf", "--scene", "procedural/blocks", "--device", "cpu"]
    small = ["--set", "procedural.size=32", "--set", "procedural.train_views=4"]
    short = ["--set", "procedural.test_views=1", "--budget", "3it", "--out", "results"]
    run(installed, tmp_path, "effbench", "run", *cell, *small, *short)
    (record,) = tmp_path.glob("results/cells/*/record.json")
    fields = json.loads(record.read_text(encoding="utf-8"))
    assert (fields["status"], fields["method"]) == ("ok", "nerf")
    assert fields["time"]["iterations"] == 3
    assert (tmp_path / "results" / "leaderboard.csv").is_file()
