"""The project's files agree with each other: pins, bounds, commands."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from tools import bootstrap
from tools.bootstrap import canonical

ROOT = Path(__file__).resolve().parent.parent


def project() -> dict[str, object]:
    fields = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(fields, dict)
    return fields


def requirements() -> list[str]:
    """Everything pyproject.toml asks for, with extras and the build backend.

    Left out are extras made of others, and triton: builds of torch for CUDA bring their own.
    """
    parsed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = parsed["project"]["optional-dependencies"].values()
    groups = [parsed["build-system"]["requires"], parsed["project"]["dependencies"], *extras]
    lines = [line for group in groups for line in group]
    return [line for line in lines if not line.startswith(("effbench[", "triton>="))]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in found.items()}


def test_everything_required_is_pinned_in_the_one_file() -> None:
    assert {canonical(line) for line in requirements()} <= set(pins())
    assert pins()["torch"] == "2.13.0"


def test_requirements_are_lower_bounds_that_the_pins_meet() -> None:
    for line in requirements():
        match = re.fullmatch(r"[A-Za-z0-9._-]+>=([0-9.]+)", line)
        assert match, f"{line}: give a lower bound, and only that"
        assert numbers(match[1]) <= numbers(pins()[canonical(line)]), line


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_oldest_versions_agree_between_pyproject_and_set_up() -> None:
    assert project()["requires-python"] == f">={'.'.join(map(str, bootstrap.OLDEST_PYTHON))}"
    assert f"torch>={'.'.join(map(str, bootstrap.OLDEST_TORCH))}" in requirements()


def test_make_alone_lists_every_command() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for command in ("demo", "test", "setup", "lint", "type", "bench", "clean"):
        assert re.search(rf"^{command}:", text, re.MULTILINE)
        assert f"make {command} " in listed
