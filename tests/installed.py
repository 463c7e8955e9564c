"""Packages that a test needs beside the environment's own, fetched by pip once and for all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from effbench.files import cache_folder

# What lasts from run to run; a run's own folder takes its place in the environment later on.
_LASTING = cache_folder() / "tests"


def installed(name: str, version: str) -> Path:
    """Return a folder with one version of a package and none of what it requires, for PYTHONPATH;
    the test is skipped where pip cannot fill it."""
    folder = _LASTING / f"{name}-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", begun]
            command = [*map(str, pip), "--only-binary=:all:", f"{name}=={version}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
                pytest.skip(f"pip cannot install {name} {version}: {why}")
            begun.rename(folder)
    return folder
