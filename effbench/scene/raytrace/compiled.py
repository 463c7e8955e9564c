"""The one place that decides how the ray tracer is compiled. Importing it imports numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function on its first call; keeps its type, which numba's decorator loses.

    Nothing is kept on disk: numba would not notice changes in the other files of this package,
    and scenes are drawn only once anyway.
    """
    return cast(F, njit(nogil=True, error_model="numpy")(function))
