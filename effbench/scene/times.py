"""When frames were taken: what files say of it, as times from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.scene.lazy import Lazy
from effbench.scene.readers import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Lazy("numpy")

_REMEDY = (
    "write times from 0 to 1, or whole numbers of frames from 0 on, for all frames or for none"
)


def read_times(
    splits: Mapping[Path, Sequence[Any]],
) -> tuple[list[NDArray[np.float32]], tuple[str, ...]]:
    """Return the times of each split, float32 [V] in [0, 1], and notes on how they were found.

    splits: per transforms file what its frames say, None where a frame says nothing; training
    first. A split without times has them evenly from 0 to 1, as D-NeRF reads it; whole numbers of
    which one is above 1 are frames of one film, and are divided by the greatest of all splits, as
    torch-ngp reads them. Raises SceneError for times that some frames of a split lack, and for what
    is no number, infinite, negative or above 1.
    """
    known = {path: _numbers(path, given) for path, given in splits.items()}
    greatest = max((max(values) for values in known.values() if values), default=0.0)
    frames = greatest > 1 and all(v == int(v) for values in known.values() for v in values or ())
    found, notes = [], []
    for (path, values), given in zip(known.items(), splits.values(), strict=True):
        if values is None:
            notes.append(f"{path.name} gives no times: its {len(given)} frames go from 0 to 1")
            times = np.linspace(0, 1, len(given)) if len(given) > 1 else np.zeros(1)
        else:
            times = np.array(values) / (greatest if frames else 1.0)
        if times.max() > 1:
            wrong = f"time {times.max():g} of frame {int(times.argmax())} is above 1"
            raise fail(path, wrong, _REMEDY)
        found.append(times.astype(np.float32))
    if frames:
        notes.append(f"times are numbers of frames, divided by {greatest:g}")
    first = found[0]
    if first.min() > 0 or first.max() < 1:
        notes.append(f"training times go from {first.min():g} to {first.max():g}, not from 0 to 1")
    return found, tuple(notes)


def _numbers(path: Path, given: Sequence[Any]) -> list[float] | None:
    """Return the times of a split's frames, None where no frame has one."""
    if all(value is None for value in given):
        return None
    for index, value in enumerate(given):
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and math.isfinite(value) and value >= 0):
            wrong = f"time of frame {index} is {value!r:.40}"
            raise fail(path, wrong if value is not None else f"frame {index} has no time", _REMEDY)
    return [float(value) for value in given]
