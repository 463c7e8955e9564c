"""The one place that decides how the ray tracer is compiled. Importing it imports numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}


def compiled(function: F) -> F:
    """Compile a function on its first call; keeps its type, which numba's decorator loses."""
    return cast(F, njit(**_OPTIONS)(function))


def compiled_parallel(function: F) -> F:
    """Compile a function whose `prange` loops run on all cores."""
    return cast(F, njit(parallel=True, **_OPTIONS)(function))
