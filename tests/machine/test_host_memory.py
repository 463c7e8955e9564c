"""What of the host's memory is left, by made control groups."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from effbench.machine import host_memory


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))


def group(folder: Path, limit: str, used: int, cached: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n", encoding="utf-8")
    (folder / "memory.current").write_text(f"{used}\n", encoding="utf-8")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\n", encoding="utf-8")


def available(tmp_path: Path, name: str) -> int:
    (tmp_path / "cgroup").write_text(f"0::/{name}\n", encoding="utf-8")
    return host_memory.available(tmp_path, tmp_path / "groups")


def test_without_groups_it_is_the_systems(tmp_path: Path) -> None:
    assert host_memory.available(tmp_path, tmp_path / "groups") == 5000
    assert available(tmp_path, "none") == 5000


def test_a_containers_limit_counts_and_files_that_are_only_cached_do_not(tmp_path: Path) -> None:
    group(tmp_path / "groups", "4000", 1500, cached=500)
    assert available(tmp_path, "") == 3000


def test_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "a" / "b", "max", 100)
    group(tmp_path / "groups" / "a", "1000", 900)
    assert available(tmp_path, "a/b") == 100
    group(tmp_path / "groups" / "a", "9000", 100)
    assert available(tmp_path, "a/b") == 5000
