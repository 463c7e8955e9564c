"""The doctor: a finding for everything a run may need, and a remedy for what does not work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from effbench.cli import doctor
from effbench.cli.app import main
from effbench.cli.doctor import Finding
from effbench.kernels import backends
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
