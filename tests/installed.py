"""Packages that a test needs beside the environment's own, fetched once and for all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from effbench.files import cache_folder

# What lasts from run to run; a run's own folder takes its place in the environment later on.
_LASTING = cache_folder() / "tests"


def installed(name: str, version: str) -> Path:
    """Return a folder with one version of a package and none of what it requires, for PYTHONPATH;
    the test is skipped where pip cannot fill it."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
    return _fetched(f"{name}-{version}", [*pip, f"{name}=={version}", "--target"])


def installed_by_npm(name: str, version: str) -> Path:
    """Return a folder whose `node_modules` has one version of a package; the test is skipped where
    npm is not there or cannot fill it."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip(f"needs npm and node, for {name}")
    npm = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    return _fetched(f"npm-{name}-{version}", [*npm, f"{name}@{version}", "--prefix"])


def _fetched(what: str, command: Sequence[str]) -> Path:
    """Return a folder that a command fills whose last word it is."""
    folder = _LASTING / what
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            begun = folder.parent / f"{what}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            done = subprocess.run([*command, str(begun)], capture_output=True, text=True)
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
                pytest.skip(f"{what} cannot be installed: {why}")
            begun.rename(folder)
    return folder
