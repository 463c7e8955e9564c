"""A rank of a cell other than the first: it does the steps that rank 0 does, and nothing else."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import torch

from effbench.cell.build import built
from effbench.cell.followers import ERROR, READY, STOP
from effbench.cell.parents import load_parents
from effbench.cell.reporting import silent
from effbench.cell.set_up import set_up
from effbench.cell.task import Measured, Task
from effbench.machine import devices
from effbench.machine.energy import EnergyMeter
from effbench.machine.placement import rank_device
from effbench.machine.process_group import joined
from effbench.method import Method
from effbench.planning.plan import Cell
from effbench.scene import Scene


def follow(
    cell: Cell,
    out: Path,
    rank: int,
    rendezvous: Path,
    method: Callable[[], type[Method]],
    scene: Callable[[], Scene],
    classes: Callable[[str], type[Method]] | None = None,
) -> int:
    """Be a rank of a cell until rank 0 ends it; return the exit status of the process.

    Takes standard input and output for what rank 0 says and is told; prints go to standard error.
    method, scene, classes: as `effbench.cell.run.run_cell` takes them.
    """
    voice = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    orders = _listen()
    try:
        own = replace(cell, device=rank_device(cell.device, rank))
        with devices.subnormals_flushed(), _told(voice):
            _serve(own, out, rank, rendezvous, (method(), scene()), classes, orders, voice)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def _told(voice: IO[str]) -> Iterator[None]:
    """Tell rank 0 of an error on its way through."""
    try:
        yield
    except Exception as error:
        _tell(voice, {ERROR: f"{type(error).__name__}: {str(error).strip() or 'no message'}"})
        raise


def _serve(
    cell: Cell,
    out: Path,
    rank: int,
    rendezvous: Path,
    what: tuple[type[Method], Scene],
    classes: Callable[[str], type[Method]] | None,
    orders: queue.SimpleQueue[str],
    voice: IO[str],
) -> None:
    cls, scene = what
    device = torch.device(cell.device)
    parents, _ = load_parents(cell, out, classes, scene.manifest)
    build, _ = built(cell, cls, scene, parents, rank)
    task = Task(cell, out, Measured({}), EnergyMeter(None), silent)
    _tell(voice, {READY: True})
    orders.get()
    # what goes wrong is told before the group is left, which the other ranks would not survive
    with joined(rank, cell.ranks, device, rendezvous), _told(voice):
        method = set_up(task, build)
        task.memory.begin("training")
        while (order := orders.get()) != STOP:
            method.step(float(order))
        task.memory.end()
        _tell(voice, {"peak_mem_mb": task.memory.phases["training"]})


def _listen() -> queue.SimpleQueue[str]:
    """Return what rank 0 says, line by line; when it is gone, so is this process."""
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        rest = b""
        while part := os.read(0, 4096):  # not sys.stdin: the thread would hold its lock at the end
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                orders.put(line.decode())
        os._exit(1)  # nobody is left to tell

    threading.Thread(target=listen, daemon=True).start()
    return orders


def _tell(voice: IO[str], what: dict[str, Any]) -> None:
    voice.write(json.dumps(what) + "\n")
