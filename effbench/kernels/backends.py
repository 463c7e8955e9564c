"""Which kernel backends work here, and which one a device gets."""

from __future__ import annotations

from functools import cache

import torch

from effbench.errors import ConfigError, unknown

BACKENDS = ("reference", "cpu")


@cache
def available() -> dict[str, str]:
    """Map every backend to "" where it works on this machine, else to the reason why not."""
    try:
        import numba  # noqa: F401
    except ImportError as error:  # pragma: no cover - numba is a declared dependency
        return {"reference": "", "cpu": f"numba cannot be imported: {error}"}
    return {"reference": "", "cpu": ""}


def resolve(requested: str, device: torch.device) -> str:
    """Return the backend to use on `device` for `requested` ("auto" or a backend's name).

    Raises ConfigError for an unknown backend and for one that cannot run on `device`.
    """
    if requested == "auto":
        return "cpu" if device.type == "cpu" and not available()["cpu"] else "reference"
    if requested not in BACKENDS:
        raise unknown("kernel backend", requested, ("auto", *BACKENDS))
    if requested == "cpu" and device.type != "cpu":
        raise ConfigError(f"kernel backend 'cpu' cannot run on {device}: use 'auto'")
    if available()[requested]:
        raise ConfigError(f"kernel backend '{requested}': {available()[requested]}")
    return requested
