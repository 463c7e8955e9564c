"""Which CPU kernels are compiled while something lasts: those that numba's cache has not.

The first cell on a machine compiles for up to a minute; whoever waits should know for what.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Compilations:
    """What was compiled: names of kernels, without those that they call, and the seconds of all."""

    names: list[str] = field(default_factory=list)
    seconds: float = 0.0


@contextmanager
def watched(tell: Callable[[str], None]) -> Iterator[Compilations]:
    """Give what is compiled from now on; `tell` is called with the name of each kernel before.

    Without numba nothing is compiled.
    """
    found = Compilations()
    try:
        from numba.core import event
    except ImportError:
        yield found
        return
    with event.install_listener("numba:compile", _listener(event, found, tell)):
        yield found


def _listener(event: Any, found: Compilations, tell: Callable[[str], None]) -> Any:
    class Listener(event.Listener):  # type: ignore[misc]
        """A kernel's compilation holds those of what it calls."""

        def __init__(self) -> None:
            self._depth, self._began = 0, 0.0

        def on_start(self, event: Any) -> None:
            self._depth += 1
            if self._depth == 1:
                name = event.data["dispatcher"].py_func.__name__.strip("_")
                self._began = time.perf_counter()
                found.names.append(name)
                tell(name)

        def on_end(self, event: Any) -> None:
            self._depth -= 1
            if self._depth == 0:
                found.seconds += time.perf_counter() - self._began

    return Listener()
