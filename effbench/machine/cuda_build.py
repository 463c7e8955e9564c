"""Why torch sees no GPU on a machine that has one: what it was built for, and the driver."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import torch

_WHEELS = "https://download.pytorch.org/whl"
_INDEX = {11: "cu118", 12: "cu126", 13: "cu130"}  # by the newest major CUDA that a driver runs
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Driver:
    """version: of the driver; cuda: the newest CUDA that it runs; "" for what is not known."""

    version: str
    cuda: str


def driver() -> Driver | None:
    """Return what nvidia-smi says of the driver; None where there is no such program."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return Driver("", "")
    return Driver(
        _named("Driver Version", done.stdout), _named(r"CUDA (?:\w+ )?Version", done.stdout)
    )


def name() -> str:
    """Return torch's version and what it was built for."""
    built = torch.version.cuda
    return f"torch {torch.__version__} built for " + (f"CUDA {built}" if built else "the CPU alone")


def why_unseen() -> str:
    """Return why torch sees no GPU although nvidia-smi is there, with the remedy; "" where it is
    not there."""
    found = driver()
    if found is None:
        return ""
    if not found.version:
        return "nvidia-smi is there but finds no driver: install or reload the NVIDIA driver"
    about = f"this is {name()}, the driver {found.version} runs CUDA {found.cuda or '?'} at most"
    built, most = torch.version.cuda, found.cuda
    if built is None:
        return f"{about}: install a CUDA build, {_install(most)}"
    if most and _major(built) > _major(most):
        return f"{about}: install a newer driver, or a build for an older CUDA, {_install(most)}"
    return (
        f"{about}, which go together: see whether CUDA_VISIBLE_DEVICES hides the GPU, and what "
        '`python -c "import torch; torch.cuda.init()"` says'
    )


def _install(cuda: str) -> str:
    newest = min(max(_major(cuda), min(_INDEX)), max(_INDEX)) if cuda else 12
    return (
        f"`{sys.executable} -m pip install --force-reinstall torch --index-url "
        f"{_WHEELS}/{_INDEX[newest]}`"
    )


def _major(version: str) -> int:
    return int(version.split(".")[0])


def _named(what: str, text: str) -> str:
    found = re.search(rf"{what}:\s*(\d[\d.]*)", text)
    return found[1] if found else ""
