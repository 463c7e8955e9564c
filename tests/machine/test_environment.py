"""Settings of a process that computes: threads follow from how torch was built."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from effbench.machine import environment
from effbench.machine.environment import cpu_quota, openmp_settings, settings, usable_threads


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


def files(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


class TestQuota:
    """The files that Linux shows of control groups, version 2 and 1."""

    @pytest.mark.parametrize(
        ("groups", "expected"),
        [
            ({"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
            ({"a/b/cpu.max": "50000 100000", "a/cpu.max": "150000 100000"}, 0.5),
            ({"cpu.max": "400000 100000"}, 4.0),  # a container sees its own group as the root
            ({"a/b/cpu.max": "max 100000"}, None),
            ({"a/b/cpu.max": "soon"}, None),
            ({}, None),
        ],
    )
    def test_version_2(
        self, tmp_path: Path, groups: dict[str, str], expected: float | None
    ) -> None:
        files(tmp_path, {"proc/cgroup": "0::/a/b\n", **{f"sys/{k}": v for k, v in groups.items()}})
        assert cpu_quota(tmp_path / "proc", tmp_path / "sys") == expected

    @pytest.mark.parametrize(("quota", "expected"), [("250000", 2.5), ("-1", None)])
    def test_version_1(self, tmp_path: Path, quota: str, expected: float | None) -> None:
        group = "sys/cpu,cpuacct/job"
        lines = "3:memory:/job\n2:cpu,cpuacct:/job\n"
        texts = {f"{group}/cpu.cfs_quota_us": quota, f"{group}/cpu.cfs_period_us": "100000"}
        files(tmp_path, {"proc/cgroup": lines, **texts})
        assert cpu_quota(tmp_path / "proc", tmp_path / "sys") == expected

    def test_there_are_no_more_threads_than_it_allows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
        monkeypatch.setattr(environment, "cpu_quota", lambda: None)
        assert usable_threads() == 64
        assert "OMP_NUM_THREADS" not in settings(), "the libraries know best"
        monkeypatch.setattr(environment, "cpu_quota", lambda: 1.5)
        assert usable_threads() == 2
        assert settings()["OMP_NUM_THREADS"] == settings()["NUMBA_NUM_THREADS"] == "2"
        monkeypatch.setattr(environment, "cpu_quota", lambda: 100.0)
        assert usable_threads() == 64


def test_ranks_share_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "usable_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    child = environment.of_a_child(ranks=2)
    assert [child[name] for name in names] == ["4", "2", "4"], "what the user asks for is the most"
    assert environment.of_a_child()["OMP_NUM_THREADS"] == "6"
    assert environment.threads_of_a_rank(16) == 1
