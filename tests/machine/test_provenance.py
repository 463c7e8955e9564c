"""Provenance: complete where there is something to know, never a failure where there is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import effbench
from effbench.machine import provenance
from tests.fake_nvml import FakeNvml


def test_provenance_says_what_made_a_record_and_is_json() -> None:
    command = ["effbench", "run", "--suite", "pruning"]
    facts = json.loads(json.dumps(provenance.provenance(torch.device("cpu"), command)))
    assert facts["effbench"] == effbench.__version__
    assert facts["packages"]["torch"] == torch.__version__
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["command"] == command
    assert facts["device"] == facts["cpu"] != ""
    assert facts["threads"] >= 1
    assert facts["ram_mb"] > 100
    assert facts["cuda"] is None
    assert facts["gpu"] is None
    age = datetime.now(UTC) - datetime.fromisoformat(facts["started"])
    assert timedelta(seconds=-1) <= age < timedelta(minutes=1)


@pytest.fixture
def fake_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two CUDA devices, the second known to NVML."""

    def properties(device: torch.device) -> SimpleNamespace:
        return SimpleNamespace(
            uuid=f"000{device.index}", major=9, minor=0, multi_processor_count=132
        )

    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(torch.cuda, "get_device_name", str)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(uuid="GPU-0001"))


@pytest.mark.usefixtures("fake_gpus")
def test_a_gpu_is_known_by_its_number_its_driver_and_its_limits() -> None:
    facts = json.loads(json.dumps(provenance.provenance(torch.device("cuda:1"), [])))
    assert facts["device"] == "cuda:1"
    assert facts["driver"] == "580.1"
    expected = {"uuid": "GPU-0001", "index": 1, "of": 2, "power_limit_w": 700.0}
    assert expected.items() <= facts["gpu"].items()
    assert facts["gpu"]["compute_capability"] == "9.0"


@pytest.mark.usefixtures("fake_gpus")
def test_a_gpu_that_nvml_cannot_find_is_known_by_cuda_alone() -> None:
    gpu = provenance.provenance(torch.device("cuda:0"), [])["gpu"]
    assert gpu["uuid"] == "GPU-0000"
    assert gpu["nvml"] == "NVML: Not Found"


def test_without_any_program_to_ask_it_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    facts = provenance.provenance(torch.device("cpu"), [])
    assert facts["commit"] is None
    assert facts["dirty"] is None


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_git
def test_a_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-q", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "new.py").write_text("")
    assert provenance.git_state(tmp_path) == {"commit": commit, "dirty": True}
    (tmp_path / "new.py").unlink()
    (tmp_path / "a.txt").write_text("2")
    assert provenance.git_state(tmp_path) == {"commit": commit, "dirty": True}


@needs_git
def test_a_folder_inside_a_foreign_repository_has_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "site-packages").mkdir()
    state = provenance.git_state(tmp_path / "site-packages")
    assert state == {"commit": None, "dirty": None}
