"""What the GPU programs share: whether there is one, and timing by its own clock."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch

from effbench.machine import breakdown, cuda_build
from effbench.machine.breakdown import event

NO_GPU = "no CUDA device: torch {version} sees none, so nothing was {done}"


def demand_gpu(done: str) -> torch.device:
    """Return the current CUDA device, or end the program with one line and status 1."""
    if not torch.cuda.is_available():
        reason = cuda_build.why_unseen()
        known = NO_GPU.format(version=torch.__version__, done=done)
        sys.exit(f"{known}; {reason}" if reason else known)
    return torch.device("cuda", torch.cuda.current_device())


def milliseconds(run: Callable[[], object], rounds: int, warm_up: int = 3) -> float:
    """Return the median time of `run` on the device, by events around each of `rounds` calls."""
    return alternate({"": run}, rounds, warm_up)[""]


def alternate(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, float]:
    """Return each contender's median milliseconds; they take turns, so that a clock that slows
    down does so for all. Launch gaps inside a call count: they are part of what it costs."""
    for run in contenders.values():
        for _ in range(warm_up):
            run()
    marks: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for name, run in contenders.items():
            begin, end = event(), event()
            torch.cuda.synchronize()
            begin.record()
            run()
            end.record()
            marks[name].append((begin, end))
    torch.cuda.synchronize()
    return {
        name: statistics.median(begin.elapsed_time(end) for begin, end in pairs)
        for name, pairs in marks.items()
    }


class EventBreakdown(breakdown.EventBreakdown):
    """Parts of a step, some of which have no name of their own in `effbench.method.spans`."""

    def __init__(self) -> None:
        super().__init__()
        self._restore: list[tuple[Any, str, Any, bool]] = []

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Replace `owner.attribute`, a callable, by one that is timed as part `name`."""
        inner = getattr(owner, attribute)
        self._restore.append((owner, attribute, inner, attribute in vars(owner)))

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return inner(*args, **kwargs)

        setattr(owner, attribute, timed)

    def unwrap(self) -> None:
        """Undo every `wrap`."""
        for owner, attribute, inner, own in reversed(self._restore):
            if own:
                setattr(owner, attribute, inner)
            else:
                delattr(owner, attribute)
        self._restore.clear()
