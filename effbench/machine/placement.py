"""Where a run computes: its device and the backend of its kernels, by name, on this machine."""

from __future__ import annotations

import torch

from effbench.machine import devices, libraries


def place(device: str = "auto", backend: str = "auto") -> tuple[str, str]:
    """Return the device ("cpu", "cuda:0") and the backend that two names stand for here.

    Raises ConfigError for what this machine does not have, see `devices.resolve` and
    `libraries.resolve`.
    """
    found = devices.resolve(device)
    return found, libraries.resolve(backend, torch.device(found))
