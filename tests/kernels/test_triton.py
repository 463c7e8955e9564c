"""The Triton backend: interpreted, compiled without a GPU, and on a GPU where there is one.

Compiled for the GPUs that people have, with the Triton at hand and with older ones.
Triton keeps what it compiled in ~/.triton/cache, so that only what changed takes time.

Triton reads TRITON_INTERPRET when it is imported, so each way has processes of its own; the checks
themselves are in tests/gpu. Interpreted they are slow, and several processes share them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import installed

pytest.importorskip("triton", reason="Triton cannot be imported here")

CHECKS = Path(__file__).parents[1] / "gpu"
_SHARES = 6
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_LIMIT = 800  # seconds: a busy machine interprets slowly
COMPILATION = CHECKS / "check_compilation.py"

CAPABILITIES = (80, 86, 89, 90, 100)  # of A100, A10 and 3090, 4090 and L40, H100 and H200, B200
# Capabilities 8.6 and 8.9 differ from 8.0 in how much shared memory there is, of which only fused
# networks take much. All of their kernels are compiled where EFFBENCH_EVERY_KERNEL is set.
PARTS = {} if os.environ.get("EFFBENCH_EVERY_KERNEL") else dict.fromkeys((86, 89), "networks")
OLDEST = "3.2.0"  # Triton of torch 2.6, the oldest that effbench supports
# Triton 3.3 has faults of its own in how matrices are stored on capability 9.0.
OLDER = [
    *((OLDEST, capability, PARTS.get(capability, "")) for capability in CAPABILITIES),
    ("3.3.1", 90, "networks"),  # of torch 2.7
]


def run_checks(files: list[Path], only: str = "", **environment: str) -> None:
    """Run pytest on `files` and fail with its report of what failed. only: as pytest's -k."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"]
    command += ["-k", only] if only else []
    without = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    finished = subprocess.run(
        [*command, *map(str, files)],
        # one thread: they would only wait for each other beside the other processes of a test run
        env={**without, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
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


def triton_of(version: str) -> Path:
    """Return a folder with an older Triton; the oldest's EFFBENCH_OLDEST_TRITON may name."""
    given = os.environ.get("EFFBENCH_OLDEST_TRITON")
    return Path(given) if given and version == OLDEST else installed("triton", version)


# Each in a process of its own: a compiler that fails may abort, and says nothing to Python then.
@pytest.mark.slow
@pytest.mark.timeout(_LIMIT + 20)
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_kernels_compile_for_gpus_that_are_not_there(capability: int) -> None:
    run_checks([COMPILATION], PARTS.get(capability, ""), EFFBENCH_CAPABILITY=str(capability))


@pytest.mark.slow
@pytest.mark.timeout(_LIMIT + 20)
@pytest.mark.parametrize(("version", "capability", "part"), OLDER)
def test_kernels_compile_with_older_tritons(version: str, capability: int, part: str) -> None:
    if capability >= 100:
        pytest.skip(
            f"Triton {version} compiles for nothing beyond capability 9.0, nor does torch 2.6"
        )
    run_checks(
        [COMPILATION],
        part,
        EFFBENCH_CAPABILITY=str(capability),
        EFFBENCH_TRITON=version,
        PYTHONPATH=os.pathsep.join([str(triton_of(version)), *sys.path]),
    )


@pytest.mark.gpu
def test_kernels_on_the_gpu_equal_the_reference() -> None:
    run_checks(checks())
