"""Parts of a step whose memory is to be told from the rest of it, named where they happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Observer = Callable[[str], AbstractContextManager[None]]  # takes a phase's name

_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


def memory_phase(name: str) -> AbstractContextManager[None]:
    """Have what is allocated meanwhile counted under `name`, if anybody counts."""
    watching = _observer.get()
    return watching(name) if watching else nullcontext()


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Enter what `observer` gives for each phase that begins while this lasts."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)
