"""OpenMP settings follow from how torch was built."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from effbench.environment import openmp_settings


@pytest.mark.parametrize(
    ("library", "policy"), [("libgomp.so.1", "ACTIVE"), ("libgomp-24e2ab19.so.1.0.0", "PASSIVE")]
)
def test_threads_spin_only_where_torch_and_numba_share_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, policy: str
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / library).touch()
    spec = ModuleSpec("torch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    assert openmp_settings() == {"OMP_WAIT_POLICY": policy, "NUMBA_THREADING_LAYER": "omp"}
