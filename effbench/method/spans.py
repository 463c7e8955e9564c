"""Parts of a training step, named where they happen, for whoever measures them.

`make bench`, and `effbench run --profile` for its table and its trace, go by these names. A part
inside another is not counted in that one. Methods of one's own may name parts of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Watcher = Callable[[str], AbstractContextManager[object]]  # takes a part's name

RAYS = "rays"  # pixels drawn, and the rays through them
PLACING = "samples worth training on"
GRID = "occupancy"  # updates of the grid, what they encode and evaluate included
ENCODING = "encode forward"
DENSITY = "density network"
COLOUR = "colour network"
RENDERING = "volume rendering"
SHADING = "networks and rendering"  # where they are one
MINING = "hard samples"  # how hard each is, and the draw
NETWORK = "network forward"  # of a light field
BACKWARD = "networks backward"
ENCODING_BACKWARD = "encode backward"
OPTIMISER = "optimiser"
STEP_PARTS = (
    *(RAYS, PLACING, GRID, ENCODING, DENSITY, COLOUR, RENDERING, SHADING, MINING),
    NETWORK,
    *(BACKWARD, ENCODING_BACKWARD, OPTIMISER),
)

_NOTHING = nullcontext()
_watcher: Watcher | None = None  # of all threads: on a GPU backward passes have one of their own


def span(name: str) -> AbstractContextManager[object]:
    """Count what happens meanwhile as part `name` of a step, if anybody counts."""
    return _NOTHING if _watcher is None else _watcher(name)


@contextmanager
def whole(name: str) -> Iterator[None]:
    """Count what happens meanwhile as part `name`, parts inside it included."""
    global _watcher
    if (watcher := _watcher) is None:
        yield
        return
    with watcher(name):
        _watcher = None
        try:
            yield
        finally:
            _watcher = watcher


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Enter what `watcher` gives for each part that begins while this lasts."""
    global _watcher
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before
