"""What Triton builds with: told before training where it is missing."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from effbench.kernels import toolchain


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with gcc, Python's headers and a driver; programs are in the folder `bin`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    install(programs, "gcc")
    (tmp_path / "Python.h").touch()
    monkeypatch.setenv("PATH", str(programs))
    for name in ("CC", "TRITON_LIBCUDA_PATH", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "libcuda.so.1").touch()
    listed = f"libcuda.so.1 (libc6,x86-64) => {tmp_path}/libcuda.so.1\n"
    monkeypatch.setattr(toolchain, "_ldconfig", lambda: listed)
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


@pytest.mark.parametrize("listed", [True, False])
def test_the_drivers_library_is_needed(
    machine: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    if listed:  # by a cache that is older than what is there
        (machine / "libcuda.so.1").unlink()
    else:
        monkeypatch.setattr(toolchain, "_ldconfig", lambda: "libc.so.6 => /lib/libc.so.6\n")
    assert "libcuda.so.1 is not found" in toolchain.missing()
    assert "install the NVIDIA driver" in toolchain.missing()


@pytest.mark.parametrize("variable", ["LD_LIBRARY_PATH", "TRITON_LIBCUDA_PATH"])
def test_the_drivers_library_may_be_named(
    machine: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setattr(toolchain, "_ldconfig", lambda: "")
    monkeypatch.setenv(variable, str(machine / "bin"))
    assert "libcuda.so.1 is not found" in toolchain.missing()
    monkeypatch.setenv(variable, str(machine))
    assert toolchain.missing() == ""


def test_no_ldconfig_lists_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_LDCONFIG", str(tmp_path / "ldconfig"))
    assert toolchain._ldconfig() == ""


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
