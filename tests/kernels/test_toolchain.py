"""What Triton builds with: told before training where it is missing."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from effbench.kernels import toolchain


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with gcc and Python's headers; programs are in the folder `bin`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    install(programs, "gcc")
    (tmp_path / "Python.h").touch()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sysconfig, "get_path", lambda *_: str(tmp_path))
    return tmp_path


def install(programs: Path, name: str) -> None:
    (programs / name).touch()
    (programs / name).chmod(0o755)


@pytest.mark.usefixtures("machine")
def test_nothing_is_missing_with_a_compiler_and_headers() -> None:
    assert toolchain.missing() == ""


@pytest.mark.parametrize(("other", "enough"), [("clang", True), ("cc", False), ("tcc", False)])
def test_gcc_or_clang_is_needed_as_triton_looks_for_no_other(
    machine: Path, other: str, enough: bool
) -> None:
    (machine / "bin" / "gcc").unlink()
    assert "no C compiler (gcc or clang)" in toolchain.missing()
    assert "apt install gcc" in toolchain.missing()
    install(machine / "bin", other)
    assert (toolchain.missing() == "") == enough


def test_cc_names_another_and_must_be_there(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "bin" / "gcc").rename(machine / "bin" / "cc")
    monkeypatch.setenv("CC", "cc")
    assert toolchain.missing() == ""
    monkeypatch.setenv("CC", "icc")
    assert "CC=icc is no compiler on this machine" in toolchain.missing()


def test_headers_are_needed(machine: Path) -> None:
    (machine / "Python.h").unlink()
    found = toolchain.missing()
    assert str(machine / "Python.h") in found
    assert "apt install python3-dev" in found


def test_headers_are_looked_for_where_triton_does(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def path(*arguments: str) -> str:
        asked.append(arguments)
        return "/include"

    monkeypatch.setattr(sysconfig, "get_path", path)
    for scheme in ("posix_local", "venv"):
        monkeypatch.setattr(sysconfig, "get_default_scheme", lambda scheme=scheme: scheme)
        toolchain.headers()
    assert asked == [("include", "posix_prefix"), ("include", "venv")]
