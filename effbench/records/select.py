"""Which rows and columns of a table are shown: scenes by pattern, conditions, columns, order."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import pandas as pd

from effbench.errors import ConfigError


def scenes(frame: pd.DataFrame, patterns: Sequence[str]) -> pd.DataFrame:
    """Return the rows whose scene fits one of the patterns (*, ?); all for no pattern.

    A pattern is of a scene's name, "family/name", with or without its parameters in brackets.
    Raises ConfigError, naming the scenes there are, where none fits.
    """
    if not patterns or frame.empty:
        return frame
    names = frame["scene"].astype(str)
    known = sorted(set(names))
    fits = {
        name
        for name in known
        for pattern in patterns
        if pattern in (name, _plain(name))
        or fnmatch.fnmatchcase(name, pattern)
        or fnmatch.fnmatchcase(_plain(name), pattern)
    }
    if not fits:
        raise ConfigError(
            f"no scene of these results fits {' or '.join(patterns)}: there are {', '.join(known)}"
        )
    return frame[names.isin(fits)]


def _plain(name: str) -> str:
    return name.partition(" ")[0]
