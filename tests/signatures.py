"""Signatures of libraries that need not be there: stand-ins take what the real ones take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def recorded(parameters: str) -> inspect.Signature:
    """Return the signature of a function with these parameters, written as in its definition."""
    scope: dict[str, Any] = {}
    exec(f"def function({parameters}): ...", scope)
    return inspect.signature(scope["function"])


def plain(function: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature without annotations."""
    known = inspect.signature(function)
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in known.parameters.values()]
    return inspect.Signature(parameters)


def checked(stand_in: Callable[..., Any], parameters: str) -> Callable[..., Any]:
    """Return `stand_in`, which refuses calls that these parameters do not take."""
    signature = recorded(parameters)

    def call(*arguments: Any, **named: Any) -> Any:
        signature.bind(*arguments, **named)
        return stand_in(*arguments, **named)

    return call
