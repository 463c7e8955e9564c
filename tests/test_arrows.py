"""Imports point down, and what checks it would notice one that does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package to spoil."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "effbench", tmp_path / "effbench", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("records/layout.py", "from effbench.report import papers", "records.layout -> "),
        ("analysis/identity.py", "import torch", "analysis.identity -> torch"),
        ("report/gate/rows.py", "from effbench.report.page import data", "gate.rows -> "),
        ("nerf/fields/mlp.py", "from effbench.nerf.training import learning", "fields.mlp -> "),
        ("kernels/hash_layout.py", "from effbench.kernels import hash_encoding", "hash_layout"),
    ],
)
def test_an_arrow_that_points_up_is_named(copy: Path, file: str, line: str, told: str) -> None:
    path = copy / "effbench" / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}  # noqa\n", encoding="utf-8")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    assert told in done.stdout


def test_all_arrows_point_down() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_the_top_of_the_package_stays_small() -> None:
    entries = [p.name for p in (ROOT / "effbench").iterdir() if p.name != "__pycache__"]
    assert len(entries) <= 20, sorted(entries)
