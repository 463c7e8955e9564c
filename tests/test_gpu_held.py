"""Tests that need a GPU hold its lock, so that no cell is timed beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GPU = """
from contextlib import contextmanager
import torch
from effbench.machine import device_lock

@contextmanager
def held_for_children(device):
    print("hold", device)
    yield
    print("let go")

device_lock.held_for_children = held_for_children
torch.cuda.is_available = lambda: True
torch.cuda.current_device = lambda: 1
"""
TESTS = """
import pytest

@pytest.mark.gpu
def test_gpu():
    print("run on the GPU")

def test_cpu():
    print("run on the CPU")
"""


def printed(folder: Path, selected: str, **environment: str) -> list[str]:
    """Return what a process of pytest prints with the suite's conftest and a GPU that is not
    there: when the lock is taken, a test runs, the lock is given back."""
    (folder / "a_gpu.py").write_text(GPU)
    (folder / "test_two.py").write_text(TESTS)
    given = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    path = os.pathsep.join([str(folder), str(ROOT), *sys.path])
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
    command += ["-p", "a_gpu", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), "-k", selected, str(folder / "test_two.py")],
        env={**given, "PYTHONPATH": path, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # pytest's dots stand before what is printed next
    lines = [line.lstrip(".") for line in done.stdout.splitlines()]
    return [line for line in lines if line.startswith(("hold", "run", "let go"))]


@pytest.mark.parametrize("selected", ["test_gpu", "test_"])
def test_the_lock_is_held_from_the_first_test_to_the_last(tmp_path: Path, selected: str) -> None:
    both = selected == "test_"
    ran = ["run on the GPU", *(["run on the CPU"] if both else [])]
    assert printed(tmp_path, selected) == ["hold cuda:1", *ran, "let go"]


def test_tests_of_no_gpu_hold_none(tmp_path: Path) -> None:
    assert printed(tmp_path, "test_cpu") == ["run on the CPU"]


def test_processes_that_share_the_tests_do_not_wait_for_each_other(tmp_path: Path) -> None:
    assert printed(tmp_path, "test_gpu", PYTEST_XDIST_WORKER="gw0") == ["run on the GPU"]
