"""Settings of a process that computes: threads follow from how torch was built."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from effbench.machine.environment import openmp_settings, settings


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


def test_a_new_process_gets_large_pages_for_what_it_allocates() -> None:
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split("."))) < (2, 35):
        pytest.skip(f"needs glibc 2.35 or later, not {library or 'another C library'} {version}")
    code = "x = bytearray(1 << 26); print(open('/proc/self/smaps').read())"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **settings()}
    smaps = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    flags = [line.split() for line in smaps.stdout.splitlines() if line.startswith("VmFlags")]
    assert any("hg" in line for line in flags)  # advised to use huge pages
