"""Where the entries of a multiresolution hash encoding lie; notation as in `hash_encoding`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from effbench.errors import ConfigError

FEATURES = 2


@dataclass(frozen=True)
class HashLayout:
    """Where each level's entries lie in the table of S rows.

    levels: L ≥ 1; log2_table: log2 T; base, finest: lattice resolution of the first and last level;
    of_levels: 0, or where these are the first L of more levels the number of those, of which
    `finest` is the last one's resolution.
    """

    levels: int
    log2_table: int
    base: int
    finest: int
    of_levels: int = 0

    def __post_init__(self) -> None:
        if self.levels < 1 or self.base < 1 or self.finest < self.base:
            raise ConfigError(
                f"hash encoding needs levels ≥ 1 and 1 ≤ base ≤ finest, not {self.levels} levels "
                f"from {self.base} to {self.finest}"
            )

    @cached_property
    def scales(self) -> NDArray[np.float32]:
        """float32 [L]: s_l = base·b^l − 1 with b = (finest / base)^(1 / (L − 1))."""
        growth = math.log(self.finest / self.base) / max((self.of_levels or self.levels) - 1, 1)
        return np.array([self.base * math.exp(growth * i) - 1 for i in range(self.levels)], "f4")

    @cached_property
    def strides(self) -> NDArray[np.uint32]:
        """uint32 [L]: vertices per axis, R_l + 1."""
        return (np.ceil(self.scales) + 2).astype(np.uint32)

    @cached_property
    def dense(self) -> NDArray[np.bool_]:
        """bool [L]: whether the level is addressed directly instead of hashed."""
        return np.asarray(self.strides.astype(np.int64) ** 3 <= 1 << self.log2_table)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """int64 [L + 1]: first row of each level; the last is S. Levels start on multiples of 8."""
        dense_rows = (self.strides.astype(np.int64) ** 3 + 7) // 8 * 8
        rows = np.where(self.dense, dense_rows, 1 << self.log2_table)
        return np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)

    @property
    def rows(self) -> int:
        return int(self.offsets[-1])

    def first(self, levels: int) -> HashLayout:
        """Return the layout of the first of the levels, which lie where they do in this one."""
        return replace(self, levels=levels, of_levels=self.of_levels or self.levels)

    @property
    def width(self) -> int:
        """Output features, L·F."""
        return self.levels * FEATURES
