"""Modules that are imported when they are first used."""

from __future__ import annotations

import importlib
from typing import Any


class Lazy:
    """Stands for a module until an attribute of it is asked for.

    `effbench list` names scenes without numpy, which takes as long to import as all the rest::

        if TYPE_CHECKING:
            import numpy as np
        else:
            np = Lazy("numpy")
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
