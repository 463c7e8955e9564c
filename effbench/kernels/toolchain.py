"""What Triton needs of a machine besides itself: it builds a piece of C when a kernel is first
launched, with a C compiler and Python's headers, and says little where one of them is missing."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path


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
    return ""


def headers() -> Path:
    """Return the folder in which Triton looks for Python.h."""
    scheme = sysconfig.get_default_scheme()
    # of Debian's own scheme, in which the path has a `local` too many, Triton takes the standard
    known = "posix_prefix" if scheme == "posix_local" else scheme
    return Path(sysconfig.get_path("include", known))


def _no_compiler() -> str:
    """Return why there is no C compiler where Triton looks: CC, else gcc, else clang."""
    named = os.environ.get("CC")
    if named is not None:
        return "" if shutil.which(named) else f"CC={named} is no compiler on this machine"
    found = shutil.which("gcc") or shutil.which("clang")
    return "" if found else "there is no C compiler (gcc or clang)"
