"""What every test shares: bounded threads, a cache of its own, reasons for skipped tests."""

from __future__ import annotations

import os

# Before torch and numba are imported, which read these once. Two threads are enough for the
# small inputs of tests, and sums do not depend on how many cores a machine has.
for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, str(min(2, os.cpu_count() or 1)))

from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from effbench.kernels import cpu  # noqa: E402

settings.register_profile("effbench", derandomize=True, deadline=None, database=None)
settings.load_profile("effbench")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `gpu` where there is no CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # here, since most selections of tests have no such mark

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device; torch sees none"))


@pytest.fixture(scope="session", autouse=True)
def gpu_held(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold the GPU while tests marked `gpu` run, so that no cell is timed beside them; taken in the
    user's own folder of locks. Not in pytest's worker processes, which would wait for each other.
    """
    marked = any(item.get_closest_marker("gpu") for item in request.session.items)
    if not marked or "PYTEST_XDIST_WORKER" in os.environ:
        yield
        return
    import torch

    if not torch.cuda.is_available():
        yield
        return
    from effbench.machine import device_lock

    with device_lock.held_for_children(torch.device("cuda", torch.cuda.current_device())):
        yield


@pytest.fixture(scope="session", autouse=True)
def cache_folder(
    gpu_held: None,  # noqa: ARG001 - taken first, where the user's cells look for it
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """The folder for made scenes and the like: EFFBENCH_CACHE if set, else one for this run, which
    its processes share."""
    given, base = os.environ.get("EFFBENCH_CACHE"), tmp_path_factory.getbasetemp()
    several = "PYTEST_XDIST_WORKER" in os.environ
    folder = Path(given) if given else (base.parent if several else base) / "cache"
    folder.mkdir(exist_ok=True, parents=True)
    compiled = cpu.cache_of(Path(cpu.__file__).parent)  # of the user: tests' children have it, too
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFBENCH_CACHE", str(folder))
        patch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", str(compiled)))
        yield folder


@pytest.fixture(scope="session")
def scenes_root() -> Path:
    """The user's folder of real captures; the test is skipped where there is none."""
    given = os.environ.get("EFFBENCH_SCENES")
    if not given:
        pytest.skip("needs real captures: set EFFBENCH_SCENES to a folder of scenes")
    return Path(given)
