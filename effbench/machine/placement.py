"""Where a run computes: its device and the backend of its kernels, by name, on this machine."""

from __future__ import annotations

import torch

from effbench.errors import ConfigError
from effbench.machine import devices, environment, libraries


def place(device: str = "auto", backend: str = "auto") -> tuple[str, str]:
    """Return the device ("cpu", "cuda:0") and the backend that two names stand for here.

    Raises ConfigError for what this machine does not have, see `devices.resolve` and
    `libraries.resolve`.
    """
    found = devices.resolve(device)
    return found, libraries.resolve(backend, torch.device(found))


def rank_device(device: str, rank: int) -> str:
    """Return the device of a rank, of a cell's: every rank's on a CPU, else the GPU so many places
    behind."""
    kind, _, index = device.partition(":")
    return f"{kind}:{int(index or 0) + rank}" if kind == "cuda" else device


def room_for_ranks(device: str, ranks: int) -> str:
    """Return a warning where processors are too few for a cell's ranks, "" for none.

    device: as `place` returns it. Raises ConfigError where there are too few GPUs.
    """
    if device == "cpu":
        cores = environment.usable_threads()
        if ranks <= cores:
            return ""
        return f"{ranks} ranks share {cores} processors and will wait for each other"
    first = int(device.partition(":")[2] or 0)
    there = torch.cuda.device_count()
    if first + ranks > there:
        raise ConfigError(
            f"{ranks} ranks need {ranks} GPUs from {device} on, and this machine has {there}: ask "
            "for fewer --ranks, or use --device cpu"
        )
    return ""
