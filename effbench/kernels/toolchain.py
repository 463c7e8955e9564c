"""What Triton needs of a machine besides itself: it builds a piece of C when a kernel is first
launched, with a C compiler, Python's headers and the driver's library, and says little where one of
them is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

_DRIVER = "libcuda.so.1"
_LDCONFIG = "/sbin/ldconfig"  # by this path, as Triton calls it


def missing() -> str:
    """Return what Triton cannot build without, with the remedy; "" if all of it is there."""
    if reason := _no_compiler():
        return f"{reason}, which Triton needs at the first launch: apt install gcc, or set CC"
    header = headers() / "Python.h"
    if not header.is_file():
        return (
            f"{header} is not there, which Triton needs at the first launch: apt install "
            "python3-dev (with a version, such as python3.12-dev, for another Python)"
        )
    if not _driver_is_listed():
        return (
            f"{_DRIVER} is not found, to which Triton links at the first launch: install the "
            "NVIDIA driver (in a container: give it the GPU), then run ldconfig, or name the "
            "library's folder in TRITON_LIBCUDA_PATH"
        )
    return ""


def headers() -> Path:
    """Return the folder in which Triton looks for Python.h."""
    scheme = sysconfig.get_default_scheme()
    # of Debian's own scheme, in which the path has a `local` too many, Triton takes the standard
    known = "posix_prefix" if scheme == "posix_local" else scheme
    return Path(sysconfig.get_path("include", known))


def _driver_is_listed() -> bool:
    """Return whether the driver's library is where Triton looks: TRITON_LIBCUDA_PATH, else what
    ldconfig lists, and only if that has none LD_LIBRARY_PATH."""
    if named := os.environ.get("TRITON_LIBCUDA_PATH"):
        return (Path(named) / _DRIVER).exists()
    listed = [Path(line.split()[-1]) for line in _ldconfig().splitlines() if _DRIVER in line]
    if listed:
        return any((path.parent / _DRIVER).exists() for path in listed)
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return any((Path(folder) / _DRIVER).exists() for folder in folders if folder)


def _ldconfig() -> str:
    """Return the libraries that the loader knows, a line each with the path at its end; "" where
    nothing tells."""
    try:
        done = subprocess.run([_LDCONFIG, "-p"], capture_output=True)
    except OSError:
        return ""
    return done.stdout.decode(errors="ignore")


def _no_compiler() -> str:
    """Return why there is no C compiler where Triton looks: CC, else gcc, else clang."""
    named = os.environ.get("CC")
    if named is not None:
        return "" if shutil.which(named) else f"CC={named} is no compiler on this machine"
    found = shutil.which("gcc") or shutil.which("clang")
    return "" if found else "there is no C compiler (gcc or clang)"
