"""How many threads torch's and numba's kernels use in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Use no more than that many threads while the context lasts.

    Threads of a kernel wait for each other: where several processes have more of them together
    than there are processors, each waits for one that does not run.
    """
    numba = _numba()
    before = torch.get_num_threads(), numba.get_num_threads() if numba else 0
    torch.set_num_threads(min(threads, before[0]))
    if numba:
        numba.set_num_threads(min(threads, before[1]))
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        if numba:
            numba.set_num_threads(before[1])


def _numba() -> Any:
    try:
        import numba
    except ImportError:
        return None
    return numba
