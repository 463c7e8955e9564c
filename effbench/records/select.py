"""Which rows and columns of a table are shown: scenes by pattern, conditions, columns, order."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import pandas as pd

from effbench.errors import ConfigError, unknown


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


def columns(text: str, known: Sequence[str]) -> list[str]:
    """Return the columns named in "a,b,c", each once. Raises ConfigError for one that is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise unknown("column", name, known)
    return list(dict.fromkeys(names))


def ordered(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the rows sorted by "a,-b": by column a upwards, then by b downwards; what has no
    value comes last, equal rows stay in order. Raises ConfigError for an unknown column."""
    asked = [name.strip() for name in text.split(",") if name.strip()]
    names = [name.removeprefix("-") for name in asked]
    columns(",".join(names), [str(name) for name in frame.columns])
    for name, sign in reversed(list(zip(names, asked, strict=True))):
        frame = frame.sort_values(name, ascending=not sign.startswith("-"), kind="stable")
    return frame.reset_index(drop=True)
