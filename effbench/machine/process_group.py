"""Processes of this machine that reduce tensors together, by torch.distributed.

torch.distributed is imported where it is used: a process alone pays nothing for it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import torch

from effbench.errors import EffbenchError

TIMEOUT_S = 60.0  # of a collective: so long may one rank be behind another


def backend_of(device: torch.device) -> str:
    """Return what reduces tensors of a device: "nccl" on a GPU, else "gloo"."""
    return "nccl" if device.type == "cuda" else "gloo"


@contextmanager
def joined(
    rank: int, ranks: int, device: torch.device, rendezvous: Path, timeout_s: float = TIMEOUT_S
) -> Iterator[None]:
    """Be one of the processes that find each other by a file, while the context lasts.

    rendezvous: the file's path, the same for all of them and new; timeout_s: how long a process
    waits for the others in a collective before it fails. Raises EffbenchError where this torch
    cannot do it.
    """
    import torch.distributed as dist

    backend = backend_of(device)
    if not (dist.is_available() and dist.is_backend_available(backend)):
        raise EffbenchError(
            f"this torch was built without {backend}, which joins ranks: use --ranks 1, or another "
            "build of torch"
        )
    _stay_on_this_machine()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    where, timeout = f"file://{rendezvous.resolve()}", timedelta(seconds=timeout_s)
    dist.init_process_group(backend, where, timeout, ranks, rank)
    try:
        yield
    finally:
        with suppress(RuntimeError):  # of others that are gone: this one is leaving, too
            dist.destroy_process_group()


def _stay_on_this_machine() -> None:
    """Let gloo use the loopback: a host whose name has no address is no reason to fail."""
    with suppress(OSError):
        if "lo" in {name for _, name in socket.if_nameindex()}:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
