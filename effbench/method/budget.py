"""How long a method is trained: seconds of the training clock, or iterations."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from effbench.errors import ConfigError

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """How long a cell trains: wall-clock seconds or iterations, exactly one of them."""

    seconds: float | None = None
    iterations: int | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.seconds, self.iterations) if v is not None]
        if len(given) != 1 or not (math.isfinite(given[0]) and given[0] > 0):
            raise ConfigError("a budget is a positive number of seconds or of iterations")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `30s`, `5m`, `1.5h` or `500it`. Raises ConfigError on anything else."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
        if match and match[2] in _UNITS:
            return cls(seconds=float(match[1]) * _UNITS[match[2]])
        if match and match[2] in ("it", "its", "iterations") and float(match[1]).is_integer():
            return cls(iterations=int(float(match[1])))
        raise ConfigError(f"cannot read budget '{text}': write 30s, 5m, 1h or 500it")

    def progress(self, seconds: float, iterations: int) -> float:
        """Return the spent fraction, ≥ 0; the budget is exhausted at 1."""
        if self.seconds is not None:
            return seconds / self.seconds
        assert self.iterations is not None
        return iterations / self.iterations

    def __str__(self) -> str:
        """Return the budget as `parse` reads it, seconds to the microsecond."""
        if self.seconds is not None:
            return f"{self.seconds:.6f}".rstrip("0").rstrip(".") + "s"
        return f"{self.iterations}it"
