"""Rank 0 of a cell that several processes train: the others beside it, from set-up to the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from effbench.cell.followers import Followers
from effbench.cell.task import Task
from effbench.errors import EffbenchError
from effbench.machine import environment, threads
from effbench.machine.process_group import backend_of, joined

_CAUSE_S = 5.0  # until a rank whose end this one may have felt is known to have ended


@contextmanager
def leading(
    task: Task, command: Sequence[str], stuck: Callable[[str], None]
) -> Iterator[Followers | None]:
    """Have a cell's other ranks beside this one while the context lasts; a cell of one rank has
    none.

    command: of a process that follows, to be completed by its rank and the rendezvous; stuck: as
    `Followers` takes it. Raises EffbenchError naming the rank that has ended, where one has.
    """
    ranks = task.cell.ranks
    if ranks == 1:
        yield None
        return
    if not command:
        raise EffbenchError(
            f"a cell of {ranks} ranks needs the folder of a run, from which they read what to do: "
            "use effbench run"
        )
    task.report("ranks", 0.0, "")
    with tempfile.TemporaryDirectory(prefix="effbench-") as folder:
        rendezvous = Path(folder) / "rendezvous"
        full = [*command, "--rendezvous", str(rendezvous)]
        followers = Followers(full, ranks, environment.of_a_child(ranks), stuck)
        try:
            followers.gather()
            with (
                threads.at_most(environment.threads_of_a_rank(ranks)),
                joined(0, ranks, task.device, rendezvous),
                _blamed(followers),
            ):
                yield followers
        finally:
            followers.close()


@contextmanager
def _blamed(followers: Followers) -> Iterator[None]:
    """Let an error of torch's say which rank has ended, if that is why: in a collective whose other
    end is gone. Asked before this rank leaves the others, which they would not survive."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or not (why := followers.fault(_CAUSE_S)):
            raise
        raise EffbenchError(why) from error


def end(task: Task, followers: Followers) -> None:
    """End the other ranks after the last step, and note what they and this one were."""
    told = followers.stop()
    task.notes |= {
        "ranks": task.cell.ranks,
        "ranks_backend": backend_of(task.device),
        "threads_per_rank": torch.get_num_threads(),
        "peak_mem_mb_of_ranks": [
            task.measured.memory.get("peak_mem_mb"),
            *(each.get("peak_mem_mb") for each in told),
        ],
    }
