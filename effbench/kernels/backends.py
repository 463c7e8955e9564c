"""Which kernel backends work here, and which one a device gets."""

from __future__ import annotations

import os
from functools import cache

import torch

from effbench.errors import ConfigError, unknown
from effbench.kernels import toolchain

BACKENDS = ("reference", "cpu", "triton")


def available() -> dict[str, str]:
    """Map every backend to "" where it works on this machine, else to the reason why not."""
    return {name: reason(name) for name in BACKENDS}


@cache
def reason(backend: str) -> str:
    """Return why `backend` does not work on this machine; "" where it does."""
    if backend == "cpu":
        return _import_error("numba")
    if backend == "triton":
        failed = _import_error("triton")
        if failed or interpreting():
            return failed
        if torch.cuda.is_available():
            return toolchain.missing()
        return "torch sees no GPU (TRITON_INTERPRET=1 runs the kernels slowly without one)"
    return ""


def interpreting() -> bool:
    """Return whether Triton interprets its kernels on the CPU, which is for tests."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y")


def resolve(requested: str, device: torch.device) -> str:
    """Return the backend to use on `device` for `requested` ("auto" or a backend's name).

    Raises ConfigError for an unknown backend and for one that cannot run on `device`; of a GPU also
    where `auto` would be the reference, whose steps are many times slower and larger: a run is not
    to be so by accident.
    """
    if requested in ("auto", "triton") and device.type == "cuda" and interpreting():
        raise ConfigError(
            f"TRITON_INTERPRET is set, with which {device} would run no kernel: unset it, or use "
            "--backend reference"
        )
    if requested == "auto":
        fastest = {"cpu": "cpu", "cuda": "triton"}.get(device.type, "reference")
        if device.type == "cuda" and reason(fastest):
            raise ConfigError(
                f"kernel backend 'triton': {reason(fastest)}; or use --backend reference, which is "
                "slow and takes much memory"
            )
        return "reference" if reason(fastest) else fastest
    if requested not in BACKENDS:
        raise unknown("kernel backend", requested, ("auto", *BACKENDS))
    if requested == "cpu" and device.type != "cpu":
        raise ConfigError(f"kernel backend 'cpu' cannot run on {device}: use 'auto'")
    if reason(requested):
        raise ConfigError(f"kernel backend '{requested}': {reason(requested)}")
    if requested == "triton" and device.type != "cuda" and not interpreting():
        raise ConfigError(
            f"kernel backend 'triton' cannot run on {device}: use 'auto', or --device cuda"
        )
    return requested


def _import_error(module: str) -> str:
    try:
        __import__(module)
    except ImportError as error:
        return f"{module} cannot be imported ({error}): pip install {module}"
    return ""
