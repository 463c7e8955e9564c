"""The doctor: a finding for everything a run may need, and a remedy for what does not work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from effbench.cli import doctor
from effbench.cli.app import main
from effbench.cli.doctor import Finding
from effbench.kernels import backends, toolchain
from effbench.machine import cuda_build
from effbench.planning import registry as plugins

FAKES = Path(__file__).parents[1] / "fakes"


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return doctor.examine(plugins.discover([FAKES]), None)


def find(findings: list[Finding], name: str) -> Finding:
    return next(f for f in findings if f.name == name)


def test_every_group_has_findings_in_order(findings: list[Finding]) -> None:
    groups = list(dict.fromkeys(f.group for f in findings))
    known = ["versions", "devices", "kernels", "optional backends", "quality", "scenes", "plug-ins"]
    assert groups == known


def test_what_does_not_work_comes_with_a_reason(findings: list[Finding]) -> None:
    assert all(f.details for f in findings if not f.works)


def test_kernels_and_plugins_are_those_of_this_machine(findings: list[Finding]) -> None:
    kernels = {f.name: f.works for f in findings if f.group == "kernels"}
    assert kernels == {name: not reason for name, reason in backends.available().items()}
    assert find(findings, "method fake").works
    assert find(findings, "toy").details == "2 of 3 scenes are available"


def test_a_folder_of_scenes_that_is_not_there_is_told(tmp_path: Path) -> None:
    registry = plugins.discover()
    missing = find(doctor.examine(registry, tmp_path / "lost"), "folder")
    assert (missing.works, missing.details) == (False, f"{tmp_path / 'lost'} does not exist")
    assert find(doctor.examine(registry, tmp_path), "folder").works
    assert "EFFBENCH_SCENES" in find(doctor.examine(registry, None), "folder").details


def test_the_command_prints_text_or_json() -> None:
    text = CliRunner().invoke(main, ["doctor", "--plugins", str(FAKES)])
    assert text.exit_code == 0
    assert "  ok  cpu " in text.output
    rows = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)
    assert set(rows[0]) == {"group", "name", "works", "details"}


def test_a_cache_that_cannot_be_written_has_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "file"))
    found = find(doctor.examine(plugins.discover(), None), "locks")
    assert not found.works
    assert "set EFFBENCH_CACHE to a folder that can be written" in found.details


def test_a_gpu_that_torch_does_not_see_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cuda_build, "why_unseen", lambda: "install a CUDA build")
    found = find(doctor.examine(plugins.discover(), None), "cuda")
    assert not found.works
    assert found.details.endswith("runs use the CPU; install a CUDA build")


def test_without_a_compiler_triton_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(backends, "_import_error", lambda _: "")
    monkeypatch.setattr(toolchain, "missing", lambda: "no compiler: apt install gcc")
    backends.reason.cache_clear()
    try:
        found = find(doctor.examine(plugins.discover(), None), "triton")
    finally:
        backends.reason.cache_clear()
    assert (found.works, found.details) == (False, "no compiler: apt install gcc")
