"""The Triton backend: interpreted, compiled without a GPU, and on a GPU where there is one.

Triton reads TRITON_INTERPRET when it is imported, so each way has processes of its own; the checks
themselves are in tests/gpu. Interpreted they are slow, and several processes share them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton cannot be imported here")

CHECKS = Path(__file__).parents[1] / "gpu"
_SHARES = 6
_LIMIT = 800  # seconds: a busy machine interprets slowly
COMPILATION = CHECKS / "check_compilation.py"


def run_checks(files: list[Path], **environment: str) -> None:
    """Run pytest on `files` and fail with its report of what failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"]
    without = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    finished = subprocess.run(
        [*command, *map(str, files)],
        env={**without, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        cwd=CHECKS.parent.parent,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
    )
    if finished.returncode:
        pytest.fail(finished.stdout[-8000:] + finished.stderr[-2000:], pytrace=False)


def checks() -> list[Path]:
    return sorted(set(CHECKS.glob("check_*.py")) - {COMPILATION})


@pytest.mark.slow
@pytest.mark.timeout(_LIMIT + 20)
@pytest.mark.parametrize("share", range(_SHARES))
def test_interpreted_kernels_equal_the_reference(share: int) -> None:
    run_checks(checks()[share::_SHARES], TRITON_INTERPRET="1")


@pytest.mark.slow
def test_kernels_compile_for_a_gpu_that_is_not_there() -> None:
    run_checks([COMPILATION])


@pytest.mark.gpu
def test_kernels_on_the_gpu_equal_the_reference() -> None:
    run_checks(checks())
