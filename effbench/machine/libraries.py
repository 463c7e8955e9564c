"""Optional GPU libraries that replace parts of a radiance field: `--backend tcnn` and `nerfacc`.

They are there to compare speed: networks, encodings and sampling stay what they are, the kernels
are another project's. What a library does not cover runs on effbench's own kernels.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from effbench.errors import ConfigError, unknown
from effbench.kernels import backends

if TYPE_CHECKING:
    import torch

# Name to module, what it covers, how to get it
_KNOWN = {
    "tcnn": (
        "tinycudann",
        "hash encoding and networks",
        "pip install git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch "
        "(needs nvcc)",
    ),
    "nerfacc": ("nerfacc", "marching and volume rendering", "pip install nerfacc"),
}
NAMES = tuple(_KNOWN)


def missing(name: str) -> str:
    """Return why a library cannot be used here, with the remedy; "" if it can."""
    module, _, remedy = _KNOWN[name]
    try:
        importlib.import_module(module)
    except Exception as error:  # a build for another GPU or torch fails in many ways
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"{module} cannot be imported ({text}): {remedy}"
    return ""


def covers(name: str) -> str:
    """Return what a library takes over."""
    return _KNOWN[name][1]


def resolve(requested: str, device: torch.device) -> str:
    """Return the backend of a run: a kernel backend (`effbench.kernels`) or a library's name.

    Raises ConfigError for an unknown name, for a library that cannot be imported and for one
    without a GPU to run on.
    """
    if requested not in NAMES:
        if requested not in ("auto", *backends.BACKENDS):
            raise unknown("kernel backend", requested, ("auto", *backends.BACKENDS, *NAMES))
        return backends.resolve(requested, device)
    if device.type != "cuda":
        raise ConfigError(
            f"backend '{requested}' runs on NVIDIA GPUs only, not on {device}: use 'auto'"
        )
    if reason := missing(requested):
        raise ConfigError(f"backend '{requested}': {reason}")
    return requested


def split(backend: str, device: torch.device) -> tuple[str, str]:
    """Return the kernel backend and the library ("" for none) that a run's backend stands for."""
    if backend in NAMES:
        return backends.resolve("auto", device), resolve(backend, device)
    return backends.resolve(backend, device), ""
